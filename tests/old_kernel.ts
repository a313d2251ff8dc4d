/**
 * Executes a program and filters its system calls, so that the kernel seems to be an older one:
 * what came later fails with ENOSYS or EINVAL, as it would there.
 *
 * `deno run -A tests/old_kernel.ts VERSION PROGRAM [ARGUMENT…]`
 *
 * @module
 */

import { failedWith } from "../src/linux/errno.ts";
import { syscall } from "../src/linux/libc.ts";
import { type NamedFilter, resolveFilter } from "../src/linux/named_filter.ts";
import { prepareFilter } from "../src/linux/seccomp.ts";
import { restoreSignals } from "../src/linux/signal_actions.ts";
import { ARCHITECTURE } from "../src/linux/syscall_numbers.ts";

/** Calls that 5.8 and 5.10 lack; 5.11 has only the first. */
const AFTER_5_10 = [
  ...["epoll_pwait2", "mount_setattr", "quotactl_fd", "landlock_create_ruleset"],
  ...["landlock_add_rule", "landlock_restrict_self", "memfd_secret", "process_mrelease"],
  ...["futex_waitv", "set_mempolicy_home_node", "cachestat", "fchmodat2", "map_shadow_stack"],
  ...["futex_wake", "futex_wait", "futex_requeue", "statmount", "listmount"],
];

/** The calls that fail in each version. */
const REFUSED: Record<string, NamedFilter[]> = {
  "5.8": [
    {
      mode: "deny",
      syscalls: ["close_range", "process_madvise", ...AFTER_5_10],
      errno: "ENOSYS",
    },
  ],
  "5.10": [
    // 5.10 has the call, but not the flag that stage1 uses.
    { mode: "deny", syscalls: ["close_range"], errno: "EINVAL" },
    { mode: "deny", syscalls: AFTER_5_10, errno: "ENOSYS" },
  ],
  "5.11": [{ mode: "deny", syscalls: AFTER_5_10.slice(1), errno: "ENOSYS" }],
};

const [version = "", path, ...args] = Deno.args;
const filters = REFUSED[version];
if (filters === undefined || path === undefined) throw new Error("a version or program is missing");

const environment = Object.entries(Deno.env.toObject()).map(([name, value]) => `${name}=${value}`);
for (const filter of filters) prepareFilter(resolveFilter(filter, ARCHITECTURE))();
requireMissing();
restoreSignals();
syscall("execve", path, [path, ...args, null], [...environment, null]);

/** Throws an error if the kernel still has a later call: a test on it would prove nothing. */
function requireMissing(): void {
  try {
    syscall("mount_setattr", -1, "", 0, null, 0);
  } catch (error) {
    if (failedWith(error, "ENOSYS")) return;
  }
  throw new Error("this kernel still has mount_setattr(2)");
}
