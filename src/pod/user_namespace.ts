/**
 * The user namespace of a pod: the pod's ids are a range of the host's, and the pod's root has
 * privileges only over what belongs to the namespace.
 *
 * The process that makes a user namespace is in it from then on, and cannot come back. So a process
 * of its own makes it, and ends as soon as `run` has a descriptor. See user_namespaces(7).
 *
 * @module
 */

import type { CallScript } from "../linux/call_script.ts";
import { CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER } from "../linux/clone_flags.ts";
import { takeCredentials } from "../linux/credentials.ts";
import { ERRNO, failedWith } from "../linux/errno.ts";
import { type Fd, LAST_FD } from "../linux/fd.ts";
import { startProcess } from "../linux/init.ts";
import { writeSetting } from "../linux/kernel_file.ts";
import type { Call } from "../linux/libc.ts";
import { openNamespace } from "../linux/namespaces.ts";
import { makePipe } from "../linux/pipe.ts";
import { waitFor } from "../linux/wait.ts";
import type { IdRange } from "../plan/id_range.ts";
import type { Debug } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

/** The user namespace of a pod, and the ids of the host that it maps. */
export interface PodUsers {
  ids: IdRange;
  namespace: Fd;
}

/** prctl(2) and capabilities(7). */
const PR_SET_SECUREBITS = 28;
const SECBIT_NO_SETUID_FIXUP = 1 << 2;

/**
 * Makes the namespace.
 *
 * Its owner is the pod's first id, which no process of the host has. The kernel gives a process
 * with the owner's id every capability in the namespace; if root owned it, so would a root process
 * of the host that has given up its privileges.
 *
 * @throws {Error} which names the flag: when the host has no user namespaces, or not the ids, and
 * without `CAP_SETUID`, `CAP_SETGID` and `CAP_SETPCAP`.
 */
export function makePodUsers(ids: IdRange, debug: Debug): PodUsers {
  debug(`user namespace: ids 0 to ${ids.count - 1} are the host's from ${ids.shift} on`);
  using mounts = openNamespace("self", "mnt");
  const record = (script: CallScript) => {
    // The kernel makes no user namespace for a process in a chroot. This leads out of it, unless
    // the mounts belong to users above this process's own.
    script.try("setns", mounts.number, CLONE_NEWNS);
    script.call("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
    // A host that is in a user namespace itself may lack the id. Then writing the map fails.
    script.allowing(ERRNO.EINVAL, "setresuid", ids.shift, ids.shift, ids.shift);
    script.call("unshare", CLONE_NEWUSER);
  };
  try {
    const namespace = makeInHolder([mounts], record, (holder) => openMapped(holder, ids));
    return { ids, namespace };
  } catch (error) {
    // ENOSPC: /proc/sys/user/max_user_namespaces; EINVAL: a kernel without them.
    const why = failedWith(error, "ENOSPC", "EINVAL")
      ? "this host has no user namespaces"
      : "the user namespace cannot be made";
    throw new Error(`--private-users: ${why}`, { cause: error });
  }
}

function openMapped(holder: number, { shift, count }: IdRange): Fd {
  for (const kind of ["uid", "gid"]) {
    writeSetting(`/proc/${holder}/${kind}_map`, `0 ${shift} ${count}`);
  }
  return openNamespace(holder, "user");
}

/**
 * Makes a network namespace that belongs to the pod's users, so that the pod's root may configure
 * it, as far as its capabilities go.
 *
 * @returns The namespace, which the kernel removes with its last descriptor, mount and process.
 * @throws {SyscallError} when the kernel allows no more network namespaces.
 */
export function makeNetworkOf({ namespace }: PodUsers): Fd {
  const record = ({ call }: CallScript) => {
    call("setns", namespace.number, CLONE_NEWUSER);
    call("unshare", CLONE_NEWNET);
  };
  return makeInHolder([namespace], record, (holder) => openNamespace(holder, "net"));
}

/** Records the entry into the namespace, as its root: what the process makes then belongs to it. */
export function recordBecomeRoot(namespace: Fd, call: Call): void {
  call("setns", namespace.number, CLONE_NEWUSER);
  takeCredentials({ uid: 0, gid: 0, groups: [] }, call);
}

/** Records a wait until the other end of descriptor 0, a pipe, is closed. Closes all else first. */
export function recordUntilClosed({ call }: CallScript): void {
  call("close_range", 1, LAST_FD, 0);
  call("read", 0, new Uint8Array(8), 1);
}

function makeInHolder(
  fds: readonly Fd[],
  record: (script: CallScript) => void,
  open: (holder: number) => Fd,
): Fd {
  const { readEnd, writeEnd } = makePipe();
  using _readEnd = readEnd;
  using letGo = new DisposableStack();
  letGo.use(writeEnd);
  const holder = startProcess({
    init: POD_PATHS.init,
    fds: [readEnd, ...fds],
    record: (script) => {
      record(script);
      script.call("dup3", readEnd.number, 0, 0);
      recordUntilClosed(script);
    },
  });
  try {
    return open(holder);
  } finally {
    letGo.dispose();
    waitFor(holder);
  }
}
