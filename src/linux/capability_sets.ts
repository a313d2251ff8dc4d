/**
 * The capabilities of a thread: its bounding set, and the sets that it has. See capabilities(7).
 *
 * To the kernel these belong to a thread. As with credentials, only those of the calling thread
 * live on in what execve(2) starts.
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { CAPABILITIES, type Capability } from "./capabilities.ts";
import { failedWith } from "./errno.ts";
import { type Call, syscall } from "./libc.ts";

const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/** `_LINUX_CAPABILITY_VERSION_3`: three sets of 64 bits, each in two words. */
const CAPABILITY_VERSION_3 = 0x2008_0522;
/** Where each set is in capget(2)'s two triples of effective, permitted and inheritable. */
const EFFECTIVE_WORDS = [0, 3];
const PERMITTED_WORDS = [1, 4];
const INHERITABLE_WORDS = [2, 5];

/**
 * Drops all capabilities but these from the bounding set, for good: nothing that this thread
 * executes can have the others. Capabilities that only a newer kernel knows are dropped as well.
 *
 * A capability that is no longer in the set cannot be kept, and stays out.
 *
 * @throws {SyscallError} without `CAP_SETPCAP`.
 */
export function limitBoundingSet(keep: readonly Capability[], call: Call = syscall): void {
  const kept = new Set(keep.map((capability) => CAPABILITIES.indexOf(capability)));
  const count = countCapabilities();
  for (let number = 0; number < count; number++) {
    if (!kept.has(number)) call("prctl", PR_CAPBSET_DROP, number);
  }
}

/**
 * Empties the inheritable and the ambient set, which the bounding set does not limit at execve(2).
 * The permitted and the effective set stay.
 *
 * @throws {SyscallError} when the kernel refuses.
 */
export function clearInherited(): void {
  syscall("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  changeSets((sets) => INHERITABLE_WORDS.forEach((word) => sets[word] = 0));
}

/**
 * Gives up all capabilities of this thread but these. A program that root executes has them again,
 * as far as the bounding set allows.
 *
 * @returns Those that the thread still has: it may have had fewer.
 * @throws {SyscallError} when the kernel refuses.
 */
export function limitPermitted(keep: readonly Capability[]): Capability[] {
  const mask = maskOf(keep);
  const sets = changeSets((sets) => {
    for (const words of [EFFECTIVE_WORDS, PERMITTED_WORDS]) {
      words.forEach((word, i) => sets[word]! &= mask[i]!);
    }
  });
  return keep.filter((capability) => {
    const number = CAPABILITIES.indexOf(capability);
    return (sets[PERMITTED_WORDS[number >> 5]!]! & 1 << (number & 31)) !== 0;
  });
}

/**
 * Runs a function without the effect of any capability. They stay permitted, and have their effect
 * again afterwards.
 *
 * @throws {Error} what `act` throws.
 */
export function withoutCapabilities<T>(act: () => T): T {
  const effective: number[] = [];
  changeSets((sets) =>
    EFFECTIVE_WORDS.forEach((word, i) => {
      effective[i] = sets[word]!;
      sets[word] = 0;
    })
  );
  try {
    return act();
  } finally {
    changeSets((sets) => EFFECTIVE_WORDS.forEach((word, i) => sets[word] = effective[i]!));
  }
}

/** Gives up every capability. */
export function noCapabilities(call: Call): void {
  recordCapabilities([], call);
}

/**
 * Gives up all capabilities but these, for a process that has all that are in this process's
 * bounding set. Those that are kept are effective and permitted; programs that the process executes
 * inherit none.
 *
 * @throws {SyscallError} when the process does not have one of them.
 */
export function recordCapabilities(keep: readonly Capability[], call: Call): void {
  const header = asBytes(new Uint32Array([CAPABILITY_VERSION_3, 0]));
  const mask = maskOf(keep.filter(isInBoundingSet));
  const sets = new Uint32Array(6);
  for (const words of [EFFECTIVE_WORDS, PERMITTED_WORDS]) {
    words.forEach((word, i) => sets[word] = mask[i]!);
  }
  call("capset", header, asBytes(sets));
}

function isInBoundingSet(capability: Capability): boolean {
  const number = CAPABILITIES.indexOf(capability);
  return number < countCapabilities() && syscall("prctl", PR_CAPBSET_READ, number) === 1;
}

function maskOf(capabilities: readonly Capability[]): Uint32Array {
  const mask = new Uint32Array(2);
  for (const capability of capabilities) {
    const number = CAPABILITIES.indexOf(capability);
    mask[number >> 5]! |= 1 << (number & 31);
  }
  return mask;
}

/** @returns The sets as they are now. */
function changeSets(change: (sets: Uint32Array) => void): Uint32Array {
  const header = asBytes(new Uint32Array([CAPABILITY_VERSION_3, 0]));
  const sets = new Uint32Array(6);
  syscall("capget", header, asBytes(sets));
  change(sets);
  syscall("capset", header, asBytes(sets));
  return sets;
}

let counted: number | undefined;

/**
 * How many capabilities the kernel knows: a newer kernel knows more than this program. The kernel
 * itself is asked, once, and not /proc/sys/kernel/cap_last_cap, because an app's root may hold a
 * forged /proc.
 */
function countCapabilities(): number {
  if (counted !== undefined) return counted;
  // Most kernels know exactly these.
  let count: number = CAPABILITIES.length;
  while (count > 0 && !isKnownToKernel(count - 1)) count--;
  while (isKnownToKernel(count)) count++;
  return counted = count;
}

function isKnownToKernel(number: number): boolean {
  try {
    syscall("prctl", PR_CAPBSET_READ, number);
    return true;
  } catch (error) {
    if (failedWith(error, "EINVAL")) return false;
    throw error;
  }
}
