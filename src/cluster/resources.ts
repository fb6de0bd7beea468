import type { Claim } from '../inventory/claim.ts';
import { identifyNode, type NodeClaims } from './identify-node.ts';
import { identifyPod } from './identify-pod.ts';
import { identifyEndpointSlice, identifyService } from './identify-service.ts';
import type { Resource } from './resource.ts';

/** An object that has left a selection arrives as deleted. */
const NOT_ENDED = 'status.phase!=Succeeded,status.phase!=Failed';

export const PODS: Resource<readonly Claim[]> = {
  kind: 'Pod',
  path: '/api/v1/pods',
  // Servers before 1.29 do not select by hostNetwork.
  fieldSelectors: [`${NOT_ENDED},spec.hostNetwork=false`, NOT_ENDED, ''],
  labelSelector: '',
  keep: identifyPod,
};

export const SERVICES: Resource<readonly Claim[]> = {
  kind: 'Service',
  path: '/api/v1/services',
  fieldSelectors: [''],
  labelSelector: '',
  keep: identifyService,
};

export const NODES: Resource<NodeClaims> = {
  kind: 'Node',
  path: '/api/v1/nodes',
  fieldSelectors: [''],
  labelSelector: '',
  keep: identifyNode,
};

/** Only those that no selector of a service keeps: the others follow every pod that is not ready. */
export const ENDPOINT_SLICES: Resource<readonly Claim[]> = {
  kind: 'EndpointSlice',
  path: '/apis/discovery.k8s.io/v1/endpointslices',
  fieldSelectors: [''],
  labelSelector: 'endpointslice.kubernetes.io/managed-by notin (endpointslice-controller.k8s.io)',
  keep: identifyEndpointSlice,
};
