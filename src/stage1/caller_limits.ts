/**
 * The caller's resource limits, some of which the launcher raises for the runtime:
 * `image/launcher.c`.
 *
 * @module
 */

import type { Call } from "../linux/libc.ts";

/**
 * The variable in which the launcher leaves the caller's limits: `resource:soft:hard,…`. It
 * overwrites what the caller has there.
 */
export const CALLER_LIMITS = "STAGE1_VOLO_LIMITS";

/** A resource limit: getrlimit(2). Both numbers may have 64 bits. */
export interface ResourceLimit {
  /** The number of an `RLIMIT_…`. */
  resource: number;
  soft: bigint;
  hard: bigint;
}

/**
 * Records the calls that give a process the caller's limits back, for the program that it executes.
 *
 * @param variable The launcher's variable; `undefined` or empty when the launcher changed no limit.
 */
export function recordCallerLimits(call: Call, variable = Deno.env.get(CALLER_LIMITS)): void {
  for (const { resource, soft, hard } of parseLimits(variable ?? "")) {
    call("prlimit64", 0, resource, [soft, hard], null);
  }
}

/**
 * Parses the launcher's variable.
 *
 * @throws {SyntaxError} when a limit in it is not a number.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(parseLimits("7:321:20000"), [{ resource: 7, soft: 321n, hard: 20000n }]);
 * assertEquals(parseLimits(""), []);
 * ```
 */
export function parseLimits(variable: string): ResourceLimit[] {
  if (variable === "") return [];
  return variable.split(",").map((text) => {
    const [resource = "", soft = "", hard = ""] = text.split(":");
    return { resource: Number(resource), soft: BigInt(soft), hard: BigInt(hard) };
  });
}
