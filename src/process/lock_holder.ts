/**
 * The lock holder: a process of `init`'s size that keeps a pod locked, where no other process of
 * stage1's stays with the pod, and the app may not have the lock itself. A descriptor of the pod's
 * directory is a way to the host.
 *
 * In the lock's place the app gets one end of a pipe, which its children inherit. The lock holder
 * ends when the app's own process and all that have this end are gone.
 *
 * Where the app has been given streams of its caller's, the lock holder gives them back as soon as
 * the app's own process has ended. It keeps `CAP_CHOWN` for that, and has the streams open in a way
 * that only names them.
 *
 * @module
 */

import { recordCapabilities } from "../linux/capability_sets.ts";
import { CLONE_NEWNS } from "../linux/clone_flags.ts";
import type { Fd } from "../linux/fd.ts";
import { startProcess } from "../linux/init.ts";
import { type GivenFile, recordGiveBack, reopenAsPath } from "../linux/ownership.ts";
import { openProcess } from "../linux/pidfd.ts";
import { makePipe } from "../linux/pipe.ts";
import { POLLIN, recordWaitFor } from "../linux/poll.ts";
import { setProcessName } from "../linux/process.ts";
import { restoreSignals } from "../linux/signal_actions.ts";
import { SIGCHLD } from "../linux/signal_numbers.ts";
import { waitFor } from "../linux/wait.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

/**
 * Starts the lock holder. This process is the one that becomes the app.
 *
 * The lock holder is no child of it: the app would be told of its end, and could wait for it.
 *
 * @param host The host's mount namespace.
 * @param given What has been given to the app.
 * @returns The end of the pipe that the app is to have.
 * @throws {SyscallError} when the lock holder cannot be started.
 */
export function startLockHolder(lock: Fd, host: Fd, given: readonly GivenFile[]): Fd {
  const { readEnd, writeEnd } = makePipe();
  using kept = readEnd;
  using app = openProcess(Deno.pid)!;
  using opened = new DisposableStack();
  const paths = given.map(reopenAsPath);
  for (const { fd } of paths) opened.use(fd);
  const starter = startProcess({
    init: POD_PATHS.init,
    fds: [lock, kept, app, host, ...paths.map(({ fd }) => fd)],
    record: (script, unready) => {
      const { call } = script;
      restoreSignals(call);
      // In the app's mount namespace, it would keep the app's mounts in place.
      call("setns", host.number, CLONE_NEWNS);
      script.onlyAt(0, "clone", SIGCHLD, 0, 0, 0, 0);
      // The caller's terminal, process group and streams belong to the app alone.
      call("setsid");
      setProcessName("volo-lock", call);
      recordCapabilities(paths.length > 0 ? ["CAP_CHOWN"] : [], call);
      for (const number of [0, 1, 2, host.number, unready.number]) script.try("close", number);
      recordWaitFor([{ fd: app.number, events: POLLIN }], script);
      for (const file of paths) recordGiveBack(file, script);
      recordWaitFor([{ fd: kept.number, events: 0 }], script);
    },
  });
  waitFor(starter);
  return writeEnd;
}
