/**
 * The kernel's small files in /proc and /sys, which show and change settings.
 *
 * @module
 */

import type { CallScript } from "./call_script.ts";
import { failedWith } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { O_CLOEXEC, O_WRONLY, openFile } from "./open.ts";
import { readKernelFile, writeText } from "./read_write.ts";
import { encodeText } from "./text.ts";

/**
 * Returns a setting's text, without the newline at its end.
 *
 * @returns `undefined` where the kernel has no such file.
 * @throws {SyscallError} when the file is there and cannot be read.
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
 * @throws {SyscallError} when there is no such file, or the kernel refuses the value.
 */
export function writeSetting(path: string, value: string): void {
  using fd = openFile(path, O_WRONLY);
  writeText(fd, value);
}

/**
 * Records a change of a setting, for another process, which keeps the setting's file open.
 *
 * @param path Relative to the directory, unless absolute.
 */
export function recordSetting(
  directory: Fd,
  path: string,
  value: string,
  script: CallScript,
): void {
  script.call("openat", directory.number, path, O_WRONLY | O_CLOEXEC, 0);
  script.withResult("write", value, encodeText(value).length);
}
