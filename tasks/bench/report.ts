/**
 * The measuring and reporting that the parts of `deno task bench` share.
 *
 * @module
 */

import { must } from "../../tests/host.ts";
import { paint, say } from "../console.ts";
import { type Contender, formatMeasurements, measure, type Measurement } from "../measure.ts";

/** Times the contenders, prints the times, and returns them by the contenders' names. */
export async function report(
  ...[title, ...measured]: [title: string, ...Parameters<typeof measure>]
): Promise<Map<string, Measurement>> {
  say(paint("bold", title));
  const measurements = await measure(...measured);
  for (const line of formatMeasurements(measurements)) say(`  ${line}`);
  say();
  return new Map(measurements.map((measurement) => [measurement.name, measurement]));
}

/**
 * Does the same as {@linkcode report}, but fails when a contender fails, which would be fast.
 *
 * @throws {Error} when a contender fails.
 */
export function reportRuns(
  title: string,
  contenders: readonly Contender[],
  rounds: number,
): Promise<Map<string, Measurement>> {
  return report(title, contenders, rounds, ({ argv, cwd, env }) => {
    const variables = Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`);
    return must(["env", ...(cwd === undefined ? [] : ["-C", cwd]), ...variables, ...argv]);
  });
}
