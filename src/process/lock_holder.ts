/**
 * Who keeps a pod locked when no process of stage1's stays with it, and its app may not have the
 * lock: a descriptor of the pod's directory is a way to the host.
 *
 * A process of `init`'s size holds the lock for as long as the app's own process is there, and
 * after that for as long as anybody has the other end of a pipe, which the app gets in the lock's
 * place and its children inherit.
 *
 * @module
 */

import { noCapabilities } from "../linux/capabilities.ts";
import type { Fd } from "../linux/fd.ts";
import { startProcess } from "../linux/init.ts";
import { CLONE_NEWNS } from "../linux/namespaces.ts";
import { makePipe } from "../linux/pipe.ts";
import { POLLIN, recordWaitFor } from "../linux/poll.ts";
import { openProcess, resetSignals, SIGCHLD, waitFor } from "../linux/process.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

const PR_SET_NAME = 15;

/**
 * Starts the process, for this one as the pod's.
 *
 * It is nobody's child: the app would be told of its end, and could wait for it.
 *
 * @param host The host's mount namespace.
 * @returns The end of the pipe that the app is to have.
 * @throws {SyscallError}
 */
export function startLockHolder(lock: Fd, host: Fd): Fd {
  const { readEnd, writeEnd } = makePipe();
  using kept = readEnd;
  using app = openProcess(Deno.pid)!;
  const starter = startProcess({
    init: POD_PATHS.init,
    fds: [lock, kept, app, host],
    record: (script, unready) => {
      const { call } = script;
      resetSignals(call);
      // The app's mounts are to go with the app.
      call("setns", host.number, CLONE_NEWNS);
      script.onlyAt(0, "clone", SIGCHLD, 0, 0, 0, 0);
      // The caller's terminal, process group and streams are the app's alone.
      call("setsid");
      call("prctl", PR_SET_NAME, "volo-lock", 0, 0, 0);
      noCapabilities(call);
      for (const number of [0, 1, 2, host.number, unready.number]) script.try("close", number);
      recordWaitFor({ fd: app.number, events: POLLIN }, script);
      recordWaitFor({ fd: kept.number, events: 0 }, script);
    },
  });
  waitFor(starter);
  return writeEnd;
}
