/**
 * The sources of a pod's volumes, each looked up once: what has been checked is what is mounted,
 * whoever exchanges something in its path meanwhile.
 *
 * @module
 */

import { AT_FDCWD, type Fd } from "../linux/fd.ts";
import { O_PATH, O_RDONLY, openBeneath, openFile } from "../linux/open.ts";

/** Descriptors of what plans refer to by path. */
export class VolumeSources implements Disposable {
  readonly #opened = new Map<string, Fd>();

  /**
   * Opens a source, or returns what has been opened by its path before.
   *
   * @param path On the host, links followed; relative to the pod directory unless absolute, and
   * then without links.
   * @returns A descriptor that stays open until this is disposed of.
   * @throws {SyscallError}
   */
  open(path: string): Fd {
    const known = this.#opened.get(path);
    if (known !== undefined) return known;
    const fd = path.startsWith("/")
      ? openFile(path, O_PATH)
      : openBeneath(AT_FDCWD, path, O_RDONLY);
    this.#opened.set(path, fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened.values()) fd[Symbol.dispose]();
    this.#opened.clear();
  }
}
