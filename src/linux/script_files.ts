/**
 * The files in memory by which a list of calls is passed on to `init`, and by which that reports.
 *
 * @module
 */

import type { ScriptMemory } from "./call_script.ts";
import type { Fd } from "./fd.ts";
import { makeMemoryFile } from "./memory_file.ts";

/** The files. They vanish when this and `init` have closed them, and no process maps them. */
export class ScriptFiles implements ScriptMemory, Disposable {
  readonly list: Fd;
  readonly report: Fd;

  /** @throws {SyscallError} when there is no memory or no descriptor left. */
  constructor() {
    using undo = new DisposableStack();
    this.list = undo.use(makeMemoryFile("init"));
    this.report = makeMemoryFile("report");
    undo.move();
  }

  /** The descriptors that `init` begins with. It closes them before its first call. */
  get fds(): readonly Fd[] {
    return [this.list, this.report];
  }

  /** The arguments of `init`. */
  get argv(): readonly [string, ...string[]] {
    return ["init", ...this.fds.map(({ number }) => `${number}`)];
  }

  [Symbol.dispose](): void {
    for (const fd of this.fds) fd[Symbol.dispose]();
  }
}
