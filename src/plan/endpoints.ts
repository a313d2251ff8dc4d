/**
 * What of an app can be attached to.
 *
 * @module
 */

import type { Endpoint } from "../stage1/arguments.ts";
import {
  isAttachable,
  isTerminalTarget,
  type StdioPlan,
  STREAMS,
  type StreamTarget,
} from "./stdio.ts";

/**
 * Lists what of an app can be attached to. Every terminal is shown, for it echoes what is typed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(endpointsOf({ stdin: "stream", stdout: "log", stderr: "stream" }), [
 *   "stdin",
 *   "stderr",
 * ]);
 * assertEquals(endpointsOf({ stdin: "tty", stdout: "tty", stderr: "log" }), ["tty-in", "tty-out"]);
 * assertEquals(endpointsOf({ stdin: "null", stdout: "tty", stderr: "null" }), ["tty-out"]);
 * ```
 */
export function endpointsOf(stdio: StdioPlan): Endpoint[] {
  const hasTerminal = STREAMS.some((stream) => isAttachedTerminal(stdio[stream]));
  return [
    ...STREAMS.filter((stream) => stdio[stream] === "stream"),
    ...(isAttachedTerminal(stdio.stdin) ? ["tty-in" as const] : []),
    ...(hasTerminal ? ["tty-out" as const] : []),
  ];
}

/**
 * Says why an endpoint cannot be attached to, by what the app has in its place.
 *
 * @param endpoint One that the app does not have; undefined if it has none at all.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const stdio = { stdin: "null", stdout: "log", stderr: "log" } as const;
 * assertEquals(
 *   describeMissing("web", stdio, undefined),
 *   'app "web" has nothing to attach to: stdin is null, stdout log, stderr log',
 * );
 * assertEquals(
 *   describeMissing("web", { ...stdio, stdin: "stream" }, "tty-in"),
 *   'app "web" has no tty-in: stdin is stream, stdout log, stderr log',
 * );
 * ```
 */
export function describeMissing(
  app: string,
  stdio: StdioPlan,
  endpoint: Endpoint | undefined,
): string {
  const what = endpoint === undefined ? "has nothing to attach to" : `has no ${endpoint}`;
  const { stdin, stdout, stderr } = stdio;
  const words = `stdin is ${MODES[stdin]}, stdout ${MODES[stdout]}, stderr ${MODES[stderr]}`;
  return `app "${app}" ${what}: ${words}`;
}

/** How rkt's user calls each target. */
const MODES: Readonly<Record<StreamTarget, string>> = {
  null: "null",
  caller: "the caller's",
  relay: "interactive",
  console: "interactive",
  tty: "tty",
  "shared-tty": "tty",
  stream: "stream",
  log: "log",
};

function isAttachedTerminal(target: StreamTarget): boolean {
  return isTerminalTarget(target) && isAttachable(target);
}
