/**
 * The timing of whole processes, side by side.
 *
 * The speed of a machine drifts. So the contenders take turns, round after round, and are compared
 * by their medians, and by the medians of ratios and differences within rounds.
 *
 * @module
 */

import { must } from "../tests/host.ts";

/** A command that is timed. */
export interface Contender {
  name: string;
  argv: readonly string[];
  /** Its working directory. */
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** A command that is run before each start, and is not timed. */
  before?: readonly string[];
}

/** The measurement of one contender, in milliseconds. */
export interface Measurement {
  name: string;
  min: number;
  median: number;
  max: number;
  /** The median of the ratios of its time to the first contender's in the same round. */
  ratio: number;
  /** The median of the differences from the first contender's time in the same round. */
  beyond: number;
}

/**
 * Times the contenders in turn. The others are compared with the first.
 *
 * @param rounds How often each is timed, after a first round that does not count.
 * @param warmUp Called with each contender in that first round.
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
    // A contender leaves work to the kernel, which slows the next one: so each is the first in
    // turn.
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
 * Returns the median of some numbers.
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

/** Formats measurements as a table, one line each. */
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
