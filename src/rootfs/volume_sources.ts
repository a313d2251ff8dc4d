/**
 * The sources of a pod's volumes. Each is looked up once and used by its descriptor, so that what
 * was checked is what is mounted, even when its path leads elsewhere by then.
 *
 * @module
 */

import { AT_FDCWD, type Fd } from "../linux/fd.ts";
import { O_PATH, O_RDONLY, openBeneath, openNamed } from "../linux/open.ts";

/** The descriptors of a plan's sources, by the paths that the plan has of them. */
export class VolumeSources implements Disposable {
  readonly #opened = new Map<string, Fd>();

  /**
   * Opens a source, or returns the descriptor that an earlier call with the same path has opened.
   *
   * @param path An absolute path on the host, whose symbolic links are followed, but for magic ones
   * of /proc; or a path relative to the pod directory, which may have none.
   * @param flags What a source in the pod directory is opened with; without `O_PATH`, its owner and
   * mode can be changed.
   * @returns A descriptor, open until this object is disposed of.
   * @throws {SyscallError} when the source cannot be opened.
   */
  open(path: string, flags = O_RDONLY): Fd {
    const known = this.#opened.get(path);
    if (known !== undefined) return known;
    const fd = path.startsWith("/") ? openNamed(path, O_PATH) : openBeneath(AT_FDCWD, path, flags);
    this.#opened.set(path, fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened.values()) fd[Symbol.dispose]();
    this.#opened.clear();
  }
}
