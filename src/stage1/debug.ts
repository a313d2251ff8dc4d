/**
 * What an entrypoint says on stderr while it works.
 *
 * @module
 */

import { complain } from "./log.ts";

/** Hears of each step as it is taken. */
export type Trace = (step: string) => void;

/**
 * Shows steps on stderr with `--debug`, and nothing without.
 *
 * @param name The entrypoint's name, which begins each line.
 */
export function tracer(name: string, debug: boolean): Trace {
  return debug ? (step) => complain(name, step) : () => {};
}
