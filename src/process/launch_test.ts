import "../linux/libc_testing.ts";
import { assert, assertEquals } from "@std/assert";
import { CallScript } from "../linux/call_script.ts";
import { Fd } from "../linux/fd.ts";
import { planPrivileges } from "../plan/process/privileges.ts";
import { type Launch, recordLaunch } from "./launch.ts";

/** Numbers that nothing is behind: nothing here is carried out. */
const [CGROUP, NETWORK, MOUNTS, ROOT, PIDS, USERS, DIRECTORY, PROC, STREAM] = Array.from(
  { length: 9 },
  (_, i) => new Fd(100 + i),
) as [Fd, Fd, Fd, Fd, Fd, Fd, Fd, Fd, Fd];

const LAUNCH: Launch = {
  cgroups: [CGROUP],
  namespaces: [{ kind: "net", fd: NETWORK }],
  mounts: MOUNTS,
  root: ROOT,
  pidNamespace: PIDS,
  users: USERS,
  workingDirectory: DIRECTORY,
  proc: PROC,
  labels: { labels: [{ path: "attr", text: "web", label: "web", isolator: "app" }], notes: [] },
  credentials: { uid: 0, gid: 0, groups: [0] },
  privileges: planPrivileges({}, {
    disableCapabilities: false,
    disableSeccomp: false,
    restrictByDefault: true,
  }),
  program: { path: "/bin/app", argv: ["/bin/app", "x"], environment: ["A=1"] },
  streams: { fds: [STREAM, STREAM, STREAM], hasTerminal: true, isCallers: false },
};

function recorded(changes: Partial<Launch> = {}) {
  const script = new CallScript();
  recordLaunch({ ...LAUNCH, ...changes }, script);
  return script.calls;
}

const namesOf = (calls: ReturnType<typeof recorded>) => calls.map(({ name }) => name);

/** The list, as far as it is made out of the pod's sight, and in it. */
function sides(changes: Partial<Launch> = {}) {
  const calls = recorded(changes);
  const entrance = calls.findIndex(({ name }) => name === "clone");
  return { outside: calls.slice(0, entrance), inside: calls.slice(entrance + 1) };
}

Deno.test("in the pod's sight a process only becomes its program", () => {
  const { inside } = sides();
  assertEquals(namesOf(inside), ["prctl", "getppid", "setsid", "ioctl", "execve"]);
  const bare = { streams: { ...LAUNCH.streams, hasTerminal: false, isCallers: true } };
  assertEquals(namesOf(sides(bare).inside), ["prctl", "getppid", "execve"]);
});

Deno.test("the one path of the app's that is walked is the program's, when all is closed", () => {
  const { outside } = sides();
  const paths = outside.flatMap(({ args }) => args).filter((arg) => typeof arg === "string");
  // "0" moves a process to a cgroup; the label's file is below the host's /proc, by descriptor.
  assertEquals(paths, ["0", "attr", "web", "."]);
  const closed = outside.filter(({ name }) => name === "close").map(({ args }) => args[0]);
  const given = [CGROUP, NETWORK, MOUNTS, ROOT, PIDS, USERS, DIRECTORY, PROC, STREAM];
  assertEquals(new Set(closed), new Set(given.map(({ number }) => number)));
  assert(namesOf(outside).lastIndexOf("close_range") > namesOf(outside).lastIndexOf("openat"));
});

/** Asserts that the first of each of these calls is made in this order. */
function assertOrder(changes: Partial<Launch>, ...expected: string[]): void {
  const names: string[] = namesOf(recorded(changes));
  const found = expected.toSorted((a, b) => names.indexOf(a) - names.indexOf(b));
  for (const name of expected) assert(names.includes(name), name);
  assertEquals(found, expected);
}

Deno.test("what takes the host's root comes before the pod's, and privileges go in the safe order", () => {
  assertOrder({}, "write", "openat", "keyctl", "setns", "chroot", "dup3", "close_range");
  assertOrder(
    {},
    "close_range",
    "setgroups",
    "setresgid",
    "setresuid",
    "seccomp",
    "capset",
    "clone",
  );
});

Deno.test("root gives up before the entrance what the app has not; others have nothing left", () => {
  const isCapset = (name: string) => name === "capset";
  assertEquals(namesOf(recorded()).filter(isCapset).length, 1);
  const credentials = { uid: 1000, gid: 1000, groups: [1000] };
  assertEquals(namesOf(recorded({ credentials })).filter(isCapset).length, 0);
  const privileges = { ...LAUNCH.privileges, capabilities: undefined };
  assertEquals(namesOf(recorded({ privileges })).filter(isCapset).length, 0);
});
