/**
 * Timing of whole processes, side by side.
 *
 * Machines drift, so the contenders take turns, round after round, and are compared by their
 * medians and by the medians of ratios and differences within a round.
 *
 * @module
 */

import { must } from "../tests/host.ts";

/** A command that is timed. */
export interface Contender {
  name: string;
  argv: readonly string[];
  /** Where it starts. */
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** What is run before each start, and not timed. */
  before?: readonly string[];
}

/** What was measured of one contender, in milliseconds. */
export interface Measurement {
  name: string;
  min: number;
  median: number;
  max: number;
  /** The median of its time divided by the first contender's in the same round. */
  ratio: number;
  /** The median of its time less the first contender's in the same round, in milliseconds. */
  beyond: number;
}

/**
 * Times the contenders in turn. The first is what the others are compared with.
 *
 * @param rounds How often each is counted, after one round that is not.
 * @param warmUp What is done with each in that round.
 * @throws {Error} when there is no round or no contender.
 */
export async function measure(
  contenders: readonly Contender[],
  rounds: number,
  warmUp: (contender: Contender) => Promise<unknown> = timeOnce,
): Promise<Measurement[]> {
  if (rounds < 1 || contenders.length === 0) throw new Error("nothing to measure");
  const times: number[][] = contenders.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    // What one leaves to the kernel is the next one's burden, so each is first in turn.
    for (let turn = 0; turn < contenders.length; turn++) {
      const i = (round + turn) % contenders.length;
      const contender = contenders[i]!;
      if (contender.before) await must(contender.before);
      if (round === 0) await warmUp(contender);
      else times[i]!.push(await timeOnce(contender));
    }
  }
  return contenders.map(({ name }, i) => summarize(name, times[i]!, times[0]!));
}

/**
 * The middle of some numbers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(median([3, 1, 2]), 2);
 * assertEquals(median([4, 1, 3, 2]), 2.5);
 * ```
 */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The measurements as a table of text, one line each. */
export function formatMeasurements(measurements: readonly Measurement[]): string[] {
  const width = Math.max(...measurements.map(({ name }) => name.length));
  const figure = (milliseconds: number) => milliseconds.toFixed(1).padStart(8);
  const heads = ["min", "median", "max", "beyond", "ratio"].map((head) => head.padStart(8));
  return [
    `${"ms".padEnd(width)} ${heads.join(" ")}`,
    ...measurements.map(({ name, min, median, max, beyond, ratio }) => {
      const figures = [min, median, max, beyond].map(figure);
      return `${name.padEnd(width)} ${figures.join(" ")} ${ratio.toFixed(2).padStart(8)}`;
    }),
  ];
}

function summarize(name: string, own: readonly number[], first: readonly number[]): Measurement {
  return {
    name,
    min: Math.min(...own),
    median: median(own),
    max: Math.max(...own),
    ratio: median(own.map((time, i) => time / first[i]!)),
    beyond: median(own.map((time, i) => time - first[i]!)),
  };
}

async function timeOnce({ argv: [program, ...args], cwd, env }: Contender): Promise<number> {
  const command = new Deno.Command(program!, {
    args,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: { ...env } }),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  const start = performance.now();
  await command.spawn().status;
  return performance.now() - start;
}
