import { EXIT_USAGE, Failure } from '../../src/runtime/failure.ts';
import { COMPARED, type CompareSize, type Sample } from './compared-sides.ts';
import { checkOut, workingTree } from './revision.ts';
import { tell, type Told } from './spread.ts';

/** One line of the result. `ratio` is of each round: this working tree against the other revision. */
interface Comparison extends Told<'this' | 'other' | 'ratio'> {
  readonly scenario: string;
  readonly what: string;
  readonly this_revision: string;
  readonly other_revision: string;
}

/**
 * This working tree beside another revision, in turn in the same run, each as the program that its
 * users start; what measures both is of this one. Throws a Failure for an unknown revision.
 */
export async function compare(
  other: string,
  { scenario, ...size }: CompareSize & { readonly scenario: string },
): Promise<Comparison[]> {
  const compared = COMPARED[scenario];
  if (compared === undefined) {
    const message = `Cannot compare ${scenario}: only ${Object.keys(COMPARED).join(', ')}`;
    throw new Failure(message, { exitCode: EXIT_USAGE });
  }
  await using resources = new AsyncDisposableStack();
  const [mine, its] = [workingTree(), await checkOut(other, resources)];
  const open = await compared(size, resources);
  const sides = [await open(mine), await open(its)] as const;
  const samples: (readonly [Sample, Sample])[] = [];
  for (let round = 0; round < size.rounds; round++) {
    process.stderr.write(`${scenario}: round ${round + 1} of ${size.rounds}\n`);
    // Neither is always the first.
    const isTurned = round % 2 === 1;
    const first = await sides[isTurned ? 1 : 0]();
    const second = await sides[isTurned ? 0 : 1]();
    samples.push(isTurned ? [second, first] : [first, second]);
  }
  return Object.keys(samples[0]?.[0] ?? {}).map((what) => ({
    scenario,
    what,
    this_revision: mine.name,
    other_revision: its.name,
    ...tell({
      this: samples.map(([ours]) => ours[what]!),
      other: samples.map(([, theirs]) => theirs[what]!),
      ratio: samples.map(([ours, theirs]) => ours[what]! / theirs[what]!),
    }),
  }));
}
