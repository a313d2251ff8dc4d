/**
 * The mount table of this process.
 *
 * @module
 */

import { type Mount, parseMountinfo } from "./mountinfo.ts";
import { readKernelFile } from "./read_write.ts";

/**
 * Reads the mounts that this process sees. Parents come before the mounts on them.
 *
 * @throws {SyscallError} when /proc/self/mountinfo cannot be read.
 */
export function readMounts(): Mount[] {
  return parseMountinfo(readKernelFile("/proc/self/mountinfo"));
}
