/** `lineNumber` is from 0. */
export interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

/** What V8 writes: Profiler.Profile of the Chrome DevTools protocol. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** A function that was called from its parent, with all that it called. */
export interface Frame {
  readonly name: string;
  /** File and line, or the package, or '' where the engine has none. */
  readonly place: string;
  selfUs: number;
  totalUs: number;
  readonly children: Map<string, Frame>;
}

/** What a thread waits is no cost; the profiler does not see what its own session takes either. */
const NOT_COUNTED = new Set(['(idle)']);

/** What a frame is called, by itself and by the place of its caller; undefined where it is left out. */
export type Describe = (
  frame: CallFrame,
  callerPlace: string,
) => Pick<Frame, 'name' | 'place'> | undefined;

/**
 * The calls of a thread, without the time in which it waited. A frame that is left out goes with its
 * own time; what it calls is its caller's then.
 */
export function callTree({ nodes, samples, timeDeltas }: CpuProfile, describe: Describe): Frame {
  const selfUs = new Map<number, number>();
  for (const [at, id] of samples.entries()) {
    selfUs.set(id, (selfUs.get(id) ?? 0) + (timeDeltas[at + 1] ?? 0));
  }
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const root = frameOf('all', '');
  const visit = (id: number, parent: Frame): number => {
    const node = byId.get(id);
    if (node === undefined) return 0;
    const { functionName } = node.callFrame;
    if (NOT_COUNTED.has(functionName)) return 0;
    const described =
      functionName === '(root)' ? undefined : describe(node.callFrame, parent.place);
    const frame = described === undefined ? parent : childOf(parent, described);
    const own = described === undefined ? 0 : (selfUs.get(id) ?? 0);
    let total = own;
    for (const child of node.children ?? []) total += visit(child, frame);
    if (described !== undefined) {
      frame.selfUs += own;
      frame.totalUs += total;
    }
    return total;
  };
  root.totalUs = visit(nodes[0]?.id ?? 0, root);
  return root;
}

/** By the time of their own, wherever they were called from. */
export function costliest(root: Frame, count: number): Pick<Frame, 'name' | 'place' | 'selfUs'>[] {
  const byFunction = new Map<string, Frame>();
  const visit = (frame: Frame): void => {
    const key = keyOf(frame.name, frame.place);
    const sum = byFunction.get(key) ?? frameOf(frame.name, frame.place);
    sum.selfUs += frame.selfUs;
    byFunction.set(key, sum);
    for (const child of frame.children.values()) visit(child);
  };
  visit(root);
  return [...byFunction.values()].toSorted((a, b) => b.selfUs - a.selfUs).slice(0, count);
}

function childOf(parent: Frame, { name, place }: Pick<Frame, 'name' | 'place'>): Frame {
  const key = keyOf(name, place);
  const child = parent.children.get(key) ?? frameOf(name, place);
  parent.children.set(key, child);
  return child;
}

function frameOf(name: string, place: string): Frame {
  return { name, place, selfUs: 0, totalUs: 0, children: new Map() };
}

function keyOf(name: string, place: string): string {
  return `${name} ${place}`;
}
