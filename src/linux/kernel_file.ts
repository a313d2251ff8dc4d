/**
 * The small files through which the kernel shows and takes its settings, in /proc and /sys.
 *
 * @module
 */

import type { CallScript } from "./call_script.ts";
import { failedWith } from "./errno.ts";
import {
  AT_FDCWD,
  type Fd,
  O_CLOEXEC,
  O_WRONLY,
  openFile,
  readKernelFile,
  writeText,
} from "./file.ts";

/**
 * A setting's text, without the newline at its end.
 *
 * @returns `undefined` where the kernel has no such file.
 * @throws {SyscallError}
 */
export function readSetting(path: string): string | undefined {
  try {
    return readKernelFile(path).trimEnd();
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/**
 * Changes a setting.
 *
 * @throws {SyscallError} also when the kernel does not like the value.
 */
export function writeSetting(path: string, value: string): void {
  using fd = openFile(path, O_WRONLY);
  writeText(fd, value);
}

/**
 * Records a change of a setting, for another process.
 *
 * What openat(2) returns there cannot be known here. But it takes the lowest number that is free, so 0 is made
 * so meanwhile.
 *
 * @param spare A descriptor that the process has, and needs no more: it takes the place of descriptor 0.
 */
export function recordSetting(path: string, value: string, spare: Fd, script: CallScript): void {
  const { call } = script;
  script.try("dup3", 0, spare.number, O_CLOEXEC);
  script.try("close", 0);
  call("openat", AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  call("write", 0, value, new TextEncoder().encode(value).length);
  call("dup3", spare.number, 0, 0);
}
