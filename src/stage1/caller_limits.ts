/**
 * The caller's resource limits, where the launcher lifted some for the runtime: `image/launcher.c`.
 *
 * @module
 */

import type { Call } from "../linux/libc.ts";

/** Where the launcher leaves them, whatever the caller has there: `resource:soft:hard,…`. */
export const CALLER_LIMITS = "STAGE1_VOLO_LIMITS";

/** A limit as getrlimit(2) has it; both numbers may have 64 bits. */
export interface Limit {
  /** The number of an `RLIMIT_…`. */
  resource: number;
  soft: bigint;
  hard: bigint;
}

/**
 * Records that a process gets back the limits that the caller has, for the program that it becomes.
 *
 * @param variable What the launcher says; nothing when it changed nothing.
 */
export function recordCallerLimits(call: Call, variable = Deno.env.get(CALLER_LIMITS)): void {
  for (const { resource, soft, hard } of parseLimits(variable ?? "")) {
    call("prlimit64", 0, resource, [soft, hard], null);
  }
}

/**
 * Parses what the launcher says.
 *
 * @throws {SyntaxError} when it is not the launcher's.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(parseLimits("7:321:20000"), [{ resource: 7, soft: 321n, hard: 20000n }]);
 * assertEquals(parseLimits(""), []);
 * ```
 */
export function parseLimits(variable: string): Limit[] {
  if (variable === "") return [];
  return variable.split(",").map((text) => {
    const [resource = "", soft = "", hard = ""] = text.split(":");
    return { resource: Number(resource), soft: BigInt(soft), hard: BigInt(hard) };
  });
}
