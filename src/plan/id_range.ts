/**
 * The ids of a pod with users of its own, and their numbers on the host:
 * `--private-users=SHIFT:COUNT`. Pure.
 *
 * The pod's ids from 0 to COUNT - 1 are the host's from SHIFT on, users and groups alike. stage0
 * has given the apps' files to these ids before this image starts.
 *
 * @module
 */

import { quoteText } from "../linux/text.ts";

/** The host's ids that are the pod's. */
export interface IdRange {
  /** The host's id of the pod's root. */
  shift: number;
  /** How many ids the pod has. */
  count: number;
}

/** The owner of a file, in the host's numbers. */
export interface Owner {
  uid: number;
  gid: number;
}

/** Ids end before -1, which stands for no id in the kernel: credentials(7). */
const END_OF_IDS = 0xffff_ffff;

/**
 * Parses the value of `--private-users`.
 *
 * @param text Empty for a pod that has the host's users.
 * @throws {Error} when it is not `SHIFT:COUNT`, would give the pod the host's root, or goes beyond
 * the last id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(parsePrivateUsers("65536:1000"), { shift: 65536, count: 1000 });
 * assertEquals(parsePrivateUsers(""), undefined);
 * ```
 */
export function parsePrivateUsers(text: string): IdRange | undefined {
  if (text === "") return undefined;
  const fail = (why: string) => new Error(`--private-users: ${quoteText(text)} ${why}`);
  const [, first, number] = /^([0-9]{1,10}):([0-9]{1,10})$/.exec(text) ?? [];
  if (first === undefined) throw fail("is not SHIFT:COUNT");
  const [shift, count] = [Number(first), Number(number)];
  if (shift === 0) throw fail("would give the pod the host's root");
  if (count === 0) throw fail("would leave the pod without users");
  if (shift + count > END_OF_IDS) throw fail("goes beyond the last id");
  return { shift, count };
}

/**
 * Returns the host's number of an id of the pod.
 *
 * @param ids The pod's ids; undefined where it has the host's.
 * @throws {Error} when the pod has no such id.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * const ids = { shift: 65536, count: 1000 };
 * assertEquals(hostId(7, ids), 65543);
 * assertEquals(hostId(7, undefined), 7);
 * assertThrows(() => hostId(1000, ids), Error, "1000 is not one of the pod's 1000 ids");
 * ```
 */
export function hostId(id: number, ids: IdRange | undefined): number {
  if (ids === undefined) return id;
  requireId(id, ids);
  return ids.shift + id;
}

/**
 * Returns the pod's number of an id of the host.
 *
 * @returns `undefined` when the id is not one of the pod's.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const ids = { shift: 65536, count: 1000 };
 * assertEquals(podId(65543, ids), 7);
 * assertEquals(podId(0, ids), undefined);
 * assertEquals(podId(7, undefined), 7);
 * ```
 */
export function podId(id: number, ids: IdRange | undefined): number | undefined {
  if (ids === undefined) return id;
  const own = id - ids.shift;
  return own >= 0 && own < ids.count ? own : undefined;
}

/** Returns the owner of what is made for the pod: its root. */
export function rootOf(ids: IdRange | undefined): Owner {
  const root = hostId(0, ids);
  return { uid: root, gid: root };
}

/**
 * Checks that the pod has an id.
 *
 * @throws {Error} when it does not.
 */
export function requireId(id: number, ids: IdRange | undefined): void {
  if (ids === undefined || id < ids.count) return;
  throw new Error(`${id} is not one of the pod's ${ids.count} ids: --private-users`);
}
