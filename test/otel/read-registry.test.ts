import t from 'tap';
import { stringify } from 'yaml';
import { metricsPage } from '../../otel/metrics-page.ts';
import { parseDefinition, resolveRegistry } from '../../otel/read-registry.ts';

const ATTRIBUTE = { key: 'side', type: 'string', brief: 'A side.', stability: 'beta' };
const ENTITY = {
  type: 'khan.agent',
  brief: 'An agent.',
  stability: 'beta',
  identity: [{ ref: 'service.name' }],
};
const METRIC = {
  name: 'khan_agent_sides',
  instrument: 'counter',
  unit: '{side}',
  brief: 'Sides',
  stability: 'beta',
  entity_associations: ['khan.agent'],
  attributes: [{ ref: 'side' }],
};
const FILE = {
  file_format: 'definition/2',
  attributes: [ATTRIBUTE],
  entities: [ENTITY],
  metrics: [METRIC],
};

function read(...files: readonly object[]) {
  return resolveRegistry(files.map((file) => parseDefinition('a.yaml', stringify(file))));
}

t.test('a file in which all is known, or several, make a registry', async (t) => {
  const { metrics } = read(FILE);
  t.strictSame([...metrics.keys()], ['khan_agent_sides']);
  t.match(metrics.get('khan_agent_sides')?.attributes, [{ definition: { key: 'side' } }]);
  const { attributes, ...others } = FILE;
  t.strictSame(read(others, { file_format: FILE.file_format, attributes }), read(FILE));
});

t.test('what the schema does not know is a fault', async (t) => {
  const faulty: Readonly<Record<string, object>> = {
    'additional properties': { ...FILE, spans: [] },
    'allowed values': { ...FILE, file_format: 'definition/1' },
    'metrics/0 must NOT have additional properties': {
      ...FILE,
      metrics: [{ ...METRIC, units: 's' }],
    },
    'metrics/0/instrument': { ...FILE, metrics: [{ ...METRIC, instrument: 'summary' }] },
    'metrics/0/annotations/khan must NOT': {
      ...FILE,
      metrics: [{ ...METRIC, annotations: { khan: { standart: 'x' } } }],
    },
    'attributes/0/stability': { ...FILE, attributes: [{ ...ATTRIBUTE, stability: 'fine' }] },
    "must have required property 'brief'": {
      ...FILE,
      attributes: [{ key: 'side', type: 'string', stability: 'beta' }],
    },
  };
  for (const [fault, file] of Object.entries(faulty)) {
    t.throws(() => read(file), { message: new RegExp(`^Cannot read a.yaml: .*${fault}`) }, fault);
  }
});

t.test('what is twice, missing or in vain is a fault', async (t) => {
  const group = { id: 'g', visibility: 'internal', attributes: [{ ref: 'side' }] };
  const faulty: Readonly<Record<string, readonly object[]>> = {
    'Cannot use side: it is there twice': [FILE, { ...FILE, metrics: [METRIC] }],
    'Cannot find top: no file defines it': [
      { ...FILE, metrics: [{ ...METRIC, attributes: [{ ref: 'side' }, { ref: 'top' }] }] },
    ],
    'Cannot find khan.top: no file defines it': [
      { ...FILE, metrics: [{ ...METRIC, entity_associations: ['khan.top'] }] },
    ],
    'Cannot use g: nothing refers to it': [{ ...FILE, attribute_groups: [group] }],
    'Cannot find g: no file defines it': [
      { ...FILE, metrics: [{ ...METRIC, attributes: [{ ref_group: 'g' }] }] },
    ],
  };
  for (const [message, files] of Object.entries(faulty)) {
    t.throws(() => read(...files), { message }, message);
  }
  const twice = [{ ref_group: 'g' }, { ref: 'side' }];
  t.throws(
    () => read({ ...FILE, attribute_groups: [group], metrics: [{ ...METRIC, attributes: twice }] }),
    { message: 'Cannot use side: it is there twice' },
    'a metric has an attribute of its own and by a group',
  );
});

t.test('a metric that no part of the page takes is a fault, and not left out', async (t) => {
  t.match(metricsPage(read(FILE)), /^### khan_agent_sides$/m);
  const entities = [ENTITY, { ...ENTITY, type: 'other' }];
  const stray = { ...METRIC, name: 'other_sides', entity_associations: ['other'] };
  t.throws(() => metricsPage(read({ ...FILE, entities, metrics: [METRIC, stray] })), {
    message: 'Cannot place other_sides: no section takes it',
  });
});
