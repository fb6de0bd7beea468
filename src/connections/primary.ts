import type { Edge } from './edge.ts';

/**
 * True when this node's agent is the one that counts the edge, so that sums over the cluster count a
 * connection once although it stands in the table of every node on its way. Agents agree without
 * a word between them, because the rule looks at nothing but nodes:
 *
 * - The client's node counts, when it is known. A node further on that sees a masqueraded source
 *   sees the address of the node that masqueraded, and leaves it to that one.
 * - A client from outside is counted by the server's node, when it sees the client's own address.
 * - When a node on the way has put its own address in place of the client's, the server's node
 *   cannot tell the client any more, so that node counts. A changed source port says nothing.
 * - Two ends that nobody knows are counted where they are seen.
 *
 * Exactly once holds when every node runs an agent, node addresses have an owner, one conntrack zone
 * tracks a connection, and no two nodes forward between two unknown ends.
 */
export function isPrimary(
  edge: Pick<Edge, 'source' | 'backend' | 'sourceTranslated'>,
  nodeName: string,
): boolean {
  const sourceNode = edge.source.node;
  if (sourceNode !== undefined) return sourceNode === nodeName;
  const serverNode = edge.backend.node;
  return serverNode === undefined || serverNode === nodeName || edge.sourceTranslated;
}
