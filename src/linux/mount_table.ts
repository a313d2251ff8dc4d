/**
 * The mount table of this process.
 *
 * @module
 */

import { type Mount, parseMountinfo } from "./mountinfo.ts";
import { readKernelFile } from "./read_write.ts";

/**
 * The mounts that this process sees, in the order they were made below their parents.
 *
 * @throws {SyscallError}
 */
export function readMounts(): Mount[] {
  return parseMountinfo(readKernelFile("/proc/self/mountinfo"));
}
