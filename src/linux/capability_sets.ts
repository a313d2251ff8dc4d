/**
 * The capabilities of a thread: its bounding set, and those that it has. See capabilities(7).
 *
 * To the kernel these belong to a thread; as with credentials, only the calling one lives on in what execve(2) starts.
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
/** Where each set is in capget(2)'s two triples of effective, permitted, inheritable. */
const EFFECTIVE_WORDS = [0, 3];
const PERMITTED_WORDS = [1, 4];
const INHERITABLE_WORDS = [2, 5];

/**
 * Drops all other capabilities from the bounding set, for good: whatever this thread executes can have none
 * but these. Those that are only known to a newer kernel go as well.
 *
 * What is not in the set already cannot be kept, and stays out.
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
 * Empties the two sets that pass by the bounding set on their way through execve(2): the inheritable and
 * with it the ambient one. The permitted and the effective set stay.
 *
 * @throws {SyscallError}
 */
export function clearInherited(): void {
  syscall("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  changeSets((sets) => INHERITABLE_WORDS.forEach((word) => sets[word] = 0));
}

/**
 * Gives up all other capabilities of this thread. What root executes has them again, as far as the bounding set
 * goes.
 *
 * @throws {SyscallError}
 */
export function limitPermitted(keep: readonly Capability[]): void {
  const mask = maskOf(keep);
  changeSets((sets) => {
    for (const words of [EFFECTIVE_WORDS, PERMITTED_WORDS]) {
      words.forEach((word, i) => sets[word]! &= mask[i]!);
    }
  });
}

/** Gives up every capability. */
export function noCapabilities(call: Call): void {
  recordCapabilities([], call);
}

/**
 * Gives up all other capabilities: those that are kept are in force and permitted, and what is executed inherits none
 * of them. For a process that has all that this one's bounding set has.
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

function changeSets(change: (sets: Uint32Array) => void): void {
  const header = asBytes(new Uint32Array([CAPABILITY_VERSION_3, 0]));
  const sets = new Uint32Array(6);
  syscall("capget", header, asBytes(sets));
  change(sets);
  syscall("capset", header, asBytes(sets));
}

let counted: number | undefined;

/**
 * How many capabilities the kernel knows, a newer one more than this program. The kernel is asked, once, not
 * /proc/sys/kernel/cap_last_cap: an app's root may have a /proc of its own making.
 */
function countCapabilities(): number {
  if (counted !== undefined) return counted;
  // Most kernels know these, and no more.
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
