import { assertEquals, assertThrows } from "@std/assert";
import type { SeccompIsolator, SetIsolator } from "../../appc/isolators.ts";
import { ERRNO, type Errno } from "../../linux/errno.ts";
import { resolveFilter } from "../../linux/named_filter.ts";
import {
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
} from "../../linux/seccomp_program.ts";
import { compatVerdictOf, verdictOf } from "../../linux/seccomp_testing.ts";
import { syscallNumber } from "../../linux/syscall_table.ts";
import { planPrivileges, type PrivilegeOptions } from "./privileges.ts";
import { expandWildcard } from "./seccomp_sets.ts";

const HOST: PrivilegeOptions = {
  disableCapabilities: false,
  disableSeccomp: false,
  restrictByDefault: false,
};
const ISOLATED: PrivilegeOptions = { ...HOST, restrictByDefault: true };
const FIELD = "apps[0].app.isolators[1]";

function capabilities(mode: SetIsolator["mode"], ...set: string[]) {
  return { capabilities: { field: FIELD, mode, set } };
}

function seccomp(mode: SetIsolator["mode"], set: string[], errno?: string) {
  const isolator: SeccompIsolator = { field: FIELD, mode, set };
  return { seccomp: errno === undefined ? isolator : { ...isolator, errno } };
}

Deno.test("an app in the host's namespaces that asks for nothing is not restricted", () => {
  assertEquals(planPrivileges({}, HOST), {
    capabilities: undefined,
    noNewPrivileges: false,
    seccomp: undefined,
    ignored: [],
  });
});

Deno.test("an isolated app that asks for nothing has the defaults", () => {
  const plan = planPrivileges({}, ISOLATED);
  assertEquals(plan.capabilities?.keep.length, 14);
  assertEquals(plan.capabilities?.keep.includes("CAP_CHOWN"), true);
  assertEquals(plan.capabilities?.keep.includes("CAP_SYS_ADMIN"), false);
  assertEquals(plan.seccomp?.mode, "allow");
  assertEquals(plan.seccomp?.syscalls.includes("mount"), false);
  assertEquals([plan.seccomp?.errno, plan.seccomp?.errnoOfUnknown], ["EPERM", "ENOSYS"]);
});

for (const options of [HOST, ISOLATED]) {
  const where = options.restrictByDefault ? "an isolated pod" : "the host's namespaces";

  Deno.test(`a retain-set is exactly what is kept, in ${where}`, () => {
    const isolators = capabilities("retain", "CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_CHOWN");
    const plan = planPrivileges(isolators, options);
    assertEquals(plan.capabilities, { keep: ["CAP_CHOWN", "CAP_SYS_ADMIN"] });
  });

  Deno.test(`a remove-set is taken from the spec's default set, in ${where}`, () => {
    const isolators = capabilities("remove", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_SYS_ADMIN");
    const keep = planPrivileges(isolators, options).capabilities!.keep;
    assertEquals(keep.length, 12);
    assertEquals(keep.includes("CAP_MKNOD"), false);
    assertEquals(keep.includes("CAP_KILL"), true);
  });
}

Deno.test("stage0's user can turn either restriction off", () => {
  const isolators = { ...capabilities("retain", "CAP_CHOWN"), ...seccomp("remove", ["reboot"]) };
  const bothOff = { ...ISOLATED, disableCapabilities: true, disableSeccomp: true };
  const plan = planPrivileges(isolators, bothOff);
  assertEquals([plan.capabilities, plan.seccomp], [undefined, undefined]);
});

Deno.test("a capability that Linux does not have is an error", () => {
  assertThrows(
    () => planPrivileges(capabilities("remove", "CAP_KILL", "CAP_FLY"), HOST),
    Error,
    `${FIELD}.value.set[1]: "CAP_FLY"`,
  );
});

Deno.test("a remove-set becomes a deny-list of its own, with its error", () => {
  const isolators = seccomp("remove", ["@systemd/swap", "reboot", "swapon"], "ENOTSUP");
  assertEquals(planPrivileges(isolators, ISOLATED).seccomp, {
    mode: "deny",
    syscalls: ["swapoff", "swapon", "reboot"],
    errno: "ENOTSUP",
  });
});

Deno.test("a retain-set becomes an allow-list, with what every program needs", () => {
  const { seccomp: filter } = planPrivileges(seccomp("retain", ["accept", "read"]), HOST);
  assertEquals(filter?.mode, "allow");
  for (const name of ["accept", "read", "execve", "exit_group", "rt_sigreturn"]) {
    assertEquals(filter?.syscalls.includes(name), true, name);
  }
  assertEquals(filter?.syscalls.includes("mount"), false);
});

Deno.test("@appc.io/all in a retain-set masks all else: no filter", () => {
  const isolators = seccomp("retain", ["nonsense", "@appc.io/all"]);
  assertEquals(planPrivileges(isolators, ISOLATED).seccomp, undefined);
});

Deno.test("@appc.io/empty in a remove-set masks all else: this image's own filter", () => {
  const isolators = seccomp("remove", ["@appc.io/empty", "read"], "EPERM");
  const { seccomp: filter } = planPrivileges(isolators, HOST);
  assertEquals([filter?.mode, filter?.errno], ["allow", "EPERM"]);
  const words = [...filter!.syscalls, ...Object.keys(filter!.rules!)];
  assertEquals(words.length, new Set(words).size);
  const { seccomp: byDefault } = planPrivileges({}, ISOLATED);
  assertEquals(filter!.syscalls, byDefault!.syscalls);
  assertEquals(filter!.rules, byDefault!.rules);
  const allowed = expandWildcard("@rkt/default-whitelist")!;
  assertEquals(filter!.syscalls.filter((name) => !allowed.includes(name)), []);
});

const CLONE_NEWUSER = 0x1000_0000n;
const SIGCHLD = 17n;
const ALLOWED = SECCOMP_RET_ALLOW;
const KILLED = SECCOMP_RET_KILL_PROCESS;
const refusedWith = (errno: Errno) => SECCOMP_RET_ERRNO | ERRNO[errno];

type SeccompSet = Parameters<typeof planPrivileges>[0];

/** What becomes of a call with these isolators in an isolated pod. */
function verdict(isolators: SeccompSet, name: string, ...args: bigint[]) {
  const filter = planPrivileges(isolators, ISOLATED).seccomp!;
  return verdictOf(resolveFilter(filter, "x86_64"), "x86_64", syscallNumber(name, "x86_64")!, args);
}

/** The same of a 32-bit call. */
function compatVerdict(isolators: SeccompSet, name: string, ...args: bigint[]) {
  return compatVerdictOf(planPrivileges(isolators, ISOLATED).seccomp!, "x86_64", name, args);
}

/** What becomes of a call that is newer than all tables. */
function verdictOnNewer(isolators: SeccompSet) {
  const filter = planPrivileges(isolators, ISOLATED).seccomp!;
  return verdictOf(resolveFilter(filter, "x86_64"), "x86_64", 600);
}

const refusals: [what: string, isolators: SeccompSet, refused: number, newer: number][] = [
  ["no set", {}, refusedWith("EPERM"), refusedWith("ENOSYS")],
  [
    "no call to remove",
    seccomp("remove", ["@appc.io/empty"]),
    refusedWith("EPERM"),
    refusedWith("ENOSYS"),
  ],
  [
    "no call to remove, with an error",
    seccomp("remove", ["@appc.io/empty"], "ENOTTY"),
    refusedWith("ENOTTY"),
    refusedWith("ENOTTY"),
  ],
  ["calls to retain", seccomp("retain", ["read"]), KILLED, KILLED],
  [
    "calls to retain, with an error",
    seccomp("retain", ["read"], "ENOTTY"),
    refusedWith("ENOTTY"),
    refusedWith("ENOTTY"),
  ],
  ["the default whitelist", seccomp("retain", ["@rkt/default-whitelist"]), KILLED, KILLED],
  [
    "the default whitelist, with an error",
    seccomp("retain", ["@rkt/default-whitelist"], "ENOTTY"),
    refusedWith("ENOTTY"),
    refusedWith("ENOTTY"),
  ],
  ["calls to remove", seccomp("remove", ["mount"]), KILLED, ALLOWED],
  [
    "calls to remove, with an error",
    seccomp("remove", ["mount"], "ENOTTY"),
    refusedWith("ENOTTY"),
    ALLOWED,
  ],
];

for (const [what, isolators, refused, newer] of refusals) {
  Deno.test(`a refused call is an error or the end, where a manifest names ${what}`, () => {
    assertEquals(verdict(isolators, "mount"), refused);
    assertEquals(compatVerdict(isolators, "mount"), refused);
    assertEquals(verdictOnNewer(isolators), newer);
  });
}

Deno.test("calls that came after the default filter do not exist in it", () => {
  for (const name of ["statmount", "listmount", "lsm_set_self_attr", "listns"]) {
    assertEquals(verdict({}, name), refusedWith("ENOSYS"), name);
    assertEquals(compatVerdict({}, name), refusedWith("ENOSYS"), name);
  }
});

/** The sets that mean the default filter. */
const DEFAULTS: [what: string, isolators: SeccompSet][] = [
  ["nothing", {}],
  ["@rkt/default-whitelist", seccomp("retain", ["@rkt/default-whitelist"])],
  ["@docker/default-whitelist", seccomp("retain", ["@docker/default-whitelist"])],
  ["both", seccomp("retain", ["@docker/default-whitelist", "@rkt/default-whitelist"], "ENOTTY")],
  ["@appc.io/empty", seccomp("remove", ["@appc.io/empty"])],
];

const judged: [name: string, argument: bigint, verdict: number][] = [
  ["clone", SIGCHLD, ALLOWED],
  // The flags with which C libraries start a thread.
  ["clone", 0x3d_0f00n, ALLOWED],
  ["clone", SIGCHLD | CLONE_NEWUSER, refusedWith("EPERM")],
  ["clone", SIGCHLD | CLONE_NEWUSER | 1n << 40n, refusedWith("EPERM")],
  ...[0x2_0000n, 0x200_0000n, 0x400_0000n, 0x800_0000n, 0x2000_0000n, 0x4000_0000n].map((flag) =>
    ["clone", SIGCHLD | flag, refusedWith("EPERM")] as [string, bigint, number]
  ),
  ["clone3", 0n, refusedWith("ENOSYS")],
  // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET.
  ...[1n, 2n, 10n, 16n, 17n].map((family) =>
    ["socket", family, ALLOWED] as [string, bigint, number]
  ),
  // AF_ISDN, AF_ALG, AF_VSOCK, AF_QIPCRTR, and a family that does not exist yet.
  ...[34n, 38n, 40n, 42n, 46n, 0xffff_ffffn].flatMap((family): [string, bigint, number][] => [
    ["socket", family, refusedWith("EPERM")],
    ["socket", family | 1n << 32n, refusedWith("EPERM")],
    ["socketpair", family, refusedWith("EPERM")],
  ]),
  ["socketpair", 1n, ALLOWED],
  ...[0n, 8n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn, 0xffff_ffff_ffff_ffffn].map((persona) =>
    ["personality", persona, ALLOWED] as [string, bigint, number]
  ),
  // READ_IMPLIES_EXEC, ADDR_NO_RANDOMIZE, MMAP_PAGE_ZERO.
  ...[0x40_0000n, 0x4_0000n, 0x10_0000n].map((persona) =>
    ["personality", persona, refusedWith("EPERM")] as [string, bigint, number]
  ),
  ["syslog", 3n, refusedWith("EPERM")],
];

for (const [what, isolators] of DEFAULTS) {
  Deno.test(`arguments decide where a set is ${what}`, () => {
    for (const [name, argument, expected] of judged) {
      assertEquals(verdict(isolators, name, argument), expected, `${name}(${argument})`);
      assertEquals(compatVerdict(isolators, name, argument), expected, `32-bit ${name}`);
    }
    // TCGETS, TIOCSTI, TIOCLINUX, and TIOCSTI with upper bits, which the kernel ignores.
    for (const judge of [verdict, compatVerdict]) {
      const ioctl = (request: bigint) => judge(isolators, "ioctl", 0n, request);
      assertEquals([0x5401n, 0x5412n, 0x541cn, 0x1_0000_5412n].map(ioctl), [
        ALLOWED,
        refusedWith("EPERM"),
        refusedWith("EPERM"),
        refusedWith("EPERM"),
      ]);
    }
  });

  Deno.test(`no socket is made by a call that hides its family, where a set is ${what}`, () => {
    const [SOCKET, CONNECT, SOCKETPAIR, SENDMMSG] = [1n, 3n, 8n, 20n];
    const socketcall = (operation: bigint) => compatVerdict(isolators, "socketcall", operation);
    assertEquals([SOCKET, CONNECT, SOCKETPAIR, SENDMMSG].map(socketcall), [
      refusedWith("ENOSYS"),
      ALLOWED,
      refusedWith("ENOSYS"),
      ALLOWED,
    ]);
  });
}

Deno.test("32-bit programs have by default what they need to run, and no more than others", () => {
  const needed =
    "_llseek _newselect brk chown32 clock_gettime64 execve fcntl64 fstat64 futex_time64 getuid32 " +
    "ipc mmap2 nice oldstat ppoll_time64 set_thread_area sigaction sigprocmask sigreturn stat64 " +
    "statfs64 ugetrlimit waitpid";
  const refused =
    "clock_settime64 io_uring_setup keyctl mount open_tree ptrace setns stime umount " +
    "unshare vm86 vm86old";
  const shmget = 23n;
  for (const name of needed.split(" ")) {
    assertEquals(compatVerdict({}, name, shmget), ALLOWED, name);
  }
  for (const name of refused.split(" ")) {
    assertEquals(compatVerdict({}, name), refusedWith("EPERM"), name);
  }
});

Deno.test("a manifest may name the call that hides families of sockets", () => {
  const named = seccomp("retain", ["socketcall", "@rkt/default-whitelist"]);
  assertEquals(compatVerdict(named, "socketcall", 1n), ALLOWED);
});

Deno.test("a call that is named, or in another set, is allowed with all arguments", () => {
  const named = seccomp("retain", ["socket", "@rkt/default-whitelist"]);
  assertEquals(verdict(named, "socket", 40n), ALLOWED);
  assertEquals(verdict(named, "socketpair", 40n), refusedWith("EPERM"));
  const process = seccomp("retain", ["@docker/default-whitelist", "@systemd/process"]);
  assertEquals(verdict(process, "clone", CLONE_NEWUSER), ALLOWED);
  assertEquals(verdict(process, "clone3", 0n), ALLOWED);
  assertEquals(verdict(process, "personality", 0x40_0000n), refusedWith("EPERM"));
});

Deno.test("a set without the default one has no rules", () => {
  const isolators = seccomp("retain", ["@systemd/process", "read"]);
  assertEquals(verdict(isolators, "clone3", 0n), ALLOWED);
  assertEquals(verdict(isolators, "socket", 1n), KILLED);
});

Deno.test("a call is removed with all its arguments", () => {
  const isolators = seccomp("remove", ["@rkt/default-whitelist"], "ENOTTY");
  assertEquals(verdict(isolators, "clone", SIGCHLD), refusedWith("ENOTTY"));
  assertEquals(verdict(isolators, "clone3", 0n), refusedWith("ENOTTY"));
});

const refused: [what: string, isolator: { seccomp: SeccompIsolator }, message: string][] = [
  ["@appc.io/empty in a retain-set", seccomp("retain", ["@appc.io/empty"]), "set[0]: @appc.io"],
  ["@appc.io/all in a remove-set", seccomp("remove", ["read", "@appc.io/all"]), "set[1]: @appc.io"],
  ["an unknown wildcard", seccomp("retain", ["@rkt/magic"]), 'set[0]: "@rkt/magic"'],
  ["an unknown call to refuse", seccomp("remove", ["reboot", "rebooot"]), 'set[1]: "rebooot"'],
  ["an unknown error", seccomp("remove", ["reboot"], "EBOGUS"), 'value.errno: "EBOGUS"'],
];

for (const [what, isolators, message] of refused) {
  Deno.test(`${what} is an error`, () => {
    assertThrows(() => planPrivileges(isolators, HOST), Error, `${FIELD}.value.`);
    assertThrows(() => planPrivileges(isolators, HOST), Error, message);
  });
}

Deno.test("an unknown call to keep is reported as ignored", () => {
  const plan = planPrivileges(seccomp("retain", ["read", "reed"]), HOST);
  assertEquals(plan.ignored, [
    `${FIELD}.value.set[1]: ignored: "reed" is no system call that this image knows`,
  ]);
});

Deno.test("calls of other architectures are nothing to report", () => {
  const plan = planPrivileges(seccomp("remove", ["socketcall", "chown32", "umount"]), HOST);
  assertEquals(plan.ignored, []);
});
