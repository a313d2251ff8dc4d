import { assertEquals, assertThrows } from "@std/assert";
import type { SeccompIsolator, SetIsolator } from "../appc/isolators.ts";
import { needsNoNewPrivileges, planPrivileges, type PrivilegeOptions } from "./privileges.ts";
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
  assertEquals(plan.seccomp?.errno, undefined);
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
  const expected = new Set(expandWildcard("@rkt/default-whitelist"));
  assertEquals(new Set(filter?.syscalls), expected);
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

Deno.test("a user other than root who has a filter can get no new privileges", () => {
  const plain = planPrivileges({}, HOST);
  const filtered = planPrivileges(seccomp("remove", ["reboot"]), HOST);
  const wanted = planPrivileges({ noNewPrivileges: { field: FIELD, value: true } }, HOST);
  assertEquals([0, 1000].map((uid) => needsNoNewPrivileges(plain, uid)), [false, false]);
  assertEquals([0, 1000].map((uid) => needsNoNewPrivileges(filtered, uid)), [false, true]);
  assertEquals([0, 1000].map((uid) => needsNoNewPrivileges(wanted, uid)), [true, true]);
});
