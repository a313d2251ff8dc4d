import "../linux/libc_testing.ts";
import { assert, assertEquals } from "@std/assert";
import { CallScript } from "../linux/call_script.ts";
import { Fd } from "../linux/fd.ts";
import { planPrivileges } from "../plan/process/privileges.ts";
import { CALLER_LIMITS } from "../stage1/caller_limits.ts";
import { type Identity, type Launch, recordExec, recordLaunch } from "./launch.ts";

/** Numbers that nothing is behind: nothing here is carried out. */
const [CGROUP, NETWORK, MOUNTS, ROOT, PIDS, USERS, DIRECTORY, PROC, STREAM, KEPT] = Array.from(
  { length: 10 },
  (_, i) => new Fd(100 + i),
) as [Fd, Fd, Fd, Fd, Fd, Fd, Fd, Fd, Fd, Fd];

const OF_ROOT = { uid: 0, gid: 0, groups: [0] };
const OF_USER = { uid: 1000, gid: 100, groups: [100] };

/** An app of an isolated pod with a user namespace, on a terminal. */
const LAUNCH: Launch = {
  cgroups: [CGROUP],
  namespaces: [{ kind: "net", fd: NETWORK }],
  mounts: MOUNTS,
  root: ROOT,
  pidNamespace: PIDS,
  users: USERS,
  ownCgroupNamespace: true,
  workingDirectory: DIRECTORY,
  proc: PROC,
  labels: { labels: [{ path: "attr", text: "web", label: "web", isolator: "app" }], notes: [] },
  credentials: OF_ROOT,
  privileges: planPrivileges({}, {
    disableCapabilities: false,
    disableSeccomp: false,
    restrictByDefault: true,
  }),
  program: {
    files: [{ path: "/bin/app", argv: ["/bin/app", "x"], obstacle: undefined }],
    environment: ["A=1"],
  },
  streams: { fds: [STREAM, STREAM, STREAM], hasTerminal: true, isCallers: false },
};

/** A handler runs as root, on no terminal, with what else its app has. */
const HANDLER: Launch = { ...LAUNCH, streams: { ...LAUNCH.streams, hasTerminal: false } };

/** A command of `enter` begins in the app's root, in a pod without namespaces of its own. */
const COMMAND: Launch = {
  ...LAUNCH,
  namespaces: [],
  pidNamespace: undefined,
  users: undefined,
  ownCgroupNamespace: false,
  workingDirectory: ROOT,
};

/** Every kind of process that joins an app, as root and as another user. */
const NEW_PROCESSES: readonly (readonly [who: string, process: Launch])[] = [
  ["an app of root's", LAUNCH],
  ["an app of a user's", { ...LAUNCH, credentials: OF_USER }],
  ["an event handler", HANDLER],
  ["a command of root's", COMMAND],
  ["a command of a user's", { ...COMMAND, credentials: OF_USER }],
];

interface RecordedCall {
  name: string;
  args: readonly unknown[];
}

function recordAs(record: (script: CallScript) => void): RecordedCall[] {
  const script = new CallScript();
  Deno.env.set(CALLER_LIMITS, "7:321:20000");
  try {
    record(script);
  } finally {
    Deno.env.delete(CALLER_LIMITS);
  }
  return [...script.calls];
}

function recorded(changes: Partial<Launch> = {}): RecordedCall[] {
  return recordAs((script) => recordLaunch({ ...LAUNCH, ...changes }, script));
}

function recordedExec(identity: Identity = LAUNCH): RecordedCall[] {
  return recordAs((script) => recordExec(identity, KEPT, script));
}

/** Everything that can begin, with its list. */
function everyList(): [who: string, calls: RecordedCall[], identity: Identity][] {
  const user = { ...LAUNCH, credentials: OF_USER };
  return [
    ...NEW_PROCESSES.map(([who, process]): ReturnType<typeof everyList>[number] => [
      who,
      recorded(process),
      process,
    ]),
    ["run, as root", recordedExec(), LAUNCH],
    ["run, as a user", recordedExec(user), user],
  ];
}

const namesOf = (calls: readonly RecordedCall[]) => calls.map(({ name }) => name);

/** The calls of the list that the invariants are about, by what they do. */
const STEPS = {
  "the signals": is("rt_sigaction"),
  "the cgroup": (call: RecordedCall) => call.name === "write" && call.args[1] === "0",
  "the label": (call: RecordedCall) => call.name === "write" && call.args[1] === "web",
  "the keyring": is("keyctl"),
  "the network namespace": is("setns", NETWORK.number),
  "the PID namespace": is("setns", PIDS.number),
  "the mounts": is("setns", MOUNTS.number),
  "the root": is("chroot"),
  "the working directory": (call: RecordedCall) =>
    call.name === "fchdir" && call.args[0] === DIRECTORY.number,
  "the users": is("setns", USERS.number),
  "the cgroup namespace": is("unshare", 0x200_0000),
  "the streams": is("dup3"),
  "the closing": is("close_range"),
  "the limits": is("prlimit64"),
  "the bounding set": is("prctl", 24),
  "the groups": is("setgroups"),
  "the group": is("setresgid"),
  "the user": is("setresuid"),
  "no new privileges": is("prctl", 38),
  "undumpable": is("prctl", 4, 0),
  "the filter": is("seccomp"),
  "the capabilities": is("capset"),
  "the entrance": is("clone"),
  "the death with the starter": is("prctl", 1, 9),
  "the session": is("setsid"),
  "the terminal": is("ioctl"),
  "the program": is("execve"),
};

type Step = keyof typeof STEPS;

function is(name: string, ...args: readonly unknown[]): (call: RecordedCall) => boolean {
  return (call) => call.name === name && args.every((arg, i) => call.args[i] === arg);
}

function stepOf(call: RecordedCall): Step | undefined {
  return (Object.keys(STEPS) as Step[]).find((step) => STEPS[step](call));
}

/** The steps of a list that are known here, each time that one begins. */
function stepsOf(calls: readonly RecordedCall[]): Step[] {
  return calls.map(stepOf).filter((step) => step !== undefined)
    .filter((step, i, all) => step !== all[i - 1]);
}

/** Asserts that a list has the steps, and ends each of them before the next one begins. */
function assertOrder(calls: readonly RecordedCall[], who: string, ...steps: Step[]): void {
  const found = calls.map(stepOf);
  for (const step of steps) assert(found.includes(step), `${who}: ${step}`);
  steps.slice(1).forEach((later, i) => {
    const earlier = steps[i]!;
    const isBefore = found.lastIndexOf(earlier) < found.indexOf(later);
    assert(isBefore, `${who}: ${earlier} before ${later}`);
  });
}

/** The list, as far as it is made out of the pod's sight, and in it. */
function sides(changes: Partial<Launch> = {}) {
  const calls = recorded(changes);
  const entrance = calls.findIndex(({ name }) => name === "clone");
  return { outside: calls.slice(0, entrance), inside: calls.slice(entrance + 1) };
}

Deno.test("a new process of an app takes the steps in the one safe order", () => {
  const credentials = OF_USER;
  assertEquals(stepsOf(recorded({ credentials })), [
    "the signals",
    "the cgroup",
    "the label",
    "the keyring",
    "the network namespace",
    "the PID namespace",
    "the mounts",
    "the root",
    "the working directory",
    "the users",
    "the cgroup namespace",
    "the streams",
    "the closing",
    "the limits",
    "the bounding set",
    "the groups",
    "the group",
    "the user",
    "no new privileges",
    "undumpable",
    "the filter",
    "the entrance",
    "the death with the starter",
    "the session",
    "the terminal",
    "the program",
  ]);
});

Deno.test("run becomes an app by the same steps, but for what only a new process joins", () => {
  const ofNewProcess: Step[] = [
    "the cgroup",
    "the network namespace",
    "the PID namespace",
    "the mounts",
    "the root",
    "the users",
    "the cgroup namespace",
    "the streams",
    "the entrance",
    "the death with the starter",
    "the session",
    "the terminal",
  ];
  for (const credentials of [OF_ROOT, OF_USER]) {
    const both = stepsOf(recorded({ credentials })).filter((step) => !ofNewProcess.includes(step));
    assertEquals(stepsOf(recordedExec({ ...LAUNCH, credentials })), both);
  }
});

/** A call by its name and its numbers; what it closes, and what memory it points to, is apart. */
function titleOf({ name, args }: RecordedCall): string {
  if (name.startsWith("close")) return name;
  return [name, ...args.filter((arg) => typeof arg === "number")].join(" ");
}

Deno.test("each call by which run becomes an app is one of a new process's, in the same order", () => {
  for (const credentials of [OF_ROOT, OF_USER]) {
    const ofNewProcess = recorded({ credentials }).map(titleOf);
    let at = 0;
    for (const call of recordedExec({ ...LAUNCH, credentials })) {
      if (call.name.startsWith("close")) continue;
      const found = ofNewProcess.indexOf(titleOf(call), at);
      assert(found !== -1, `${titleOf(call)} after ${ofNewProcess[at - 1]}`);
      at = found + 1;
    }
  }
});

Deno.test("cgroups and labels are written while the process is in the host, as its root", () => {
  for (const [who, process] of NEW_PROCESSES) {
    const calls = recorded(process);
    for (const step of ["the cgroup", "the label"] as const) {
      assertOrder(calls, who, step, "the mounts", "the root", "the user");
      if (process.users) assertOrder(calls, who, step, "the users");
    }
  }
  assertOrder(recordedExec(), "run", "the label", "the closing", "the user");
});

Deno.test("the cgroup namespace begins in the app's cgroups, and belongs to the pod's users", () => {
  for (const [who, process] of NEW_PROCESSES) {
    const calls = recorded(process);
    assertEquals(calls.some(STEPS["the cgroup namespace"]), process.ownCgroupNamespace, who);
    if (!process.ownCgroupNamespace) continue;
    assertOrder(calls, who, "the cgroup", "the users", "the cgroup namespace", "the filter");
  }
});

Deno.test("the keyring is made as the host's root", () => {
  for (const [who, calls] of everyList()) assertOrder(calls, who, "the keyring", "the user");
  assertOrder(recorded(), "an app", "the keyring", "the root", "the users");
});

Deno.test("mounts are joined before the root, the root before a directory, users at the end", () => {
  for (const credentials of [OF_ROOT, OF_USER]) {
    assertOrder(
      recorded({ credentials }),
      "an app",
      "the network namespace",
      "the PID namespace",
      "the mounts",
      "the root",
      "the working directory",
      "the users",
    );
  }
  assertOrder(recorded(COMMAND), "a command", "the mounts", "the root");
  const directories = recorded(COMMAND).filter(({ name }) => name === "fchdir");
  assertEquals(directories.map(({ args }) => args[0]), [ROOT.number, ROOT.number]);
});

Deno.test("a pod without namespaces of its own has none to join but that of an app's mounts", () => {
  const joined = recorded(COMMAND).filter(({ name }) => name === "setns");
  assertEquals(joined.map(({ args }) => args[0]), [MOUNTS.number]);
});

Deno.test("all is closed before the limits, which are too low perhaps, and before the entrance", () => {
  for (const [who, calls] of everyList()) assertOrder(calls, who, "the closing", "the limits");
  for (const [who, process] of NEW_PROCESSES) {
    assertOrder(recorded(process), who, "the streams", "the closing", "the entrance");
  }
});

Deno.test("a new process has nothing open but 0 to 2 at its entrance", () => {
  for (const [who, process] of NEW_PROCESSES) {
    const { outside } = sides(process);
    const opened = outside.slice(namesOf(outside).lastIndexOf("close_range")).map(({ name }) =>
      name
    );
    for (const name of ["openat", "dup3", "setns", "fchdir"]) assert(!opened.includes(name), who);
    const ranges = outside.filter(({ name }) => name === "close_range");
    assertEquals(ranges.map(({ args }) => args.slice(0, 2)), [[3, 0xffff_ffff]], who);
  }
});

Deno.test("run keeps one descriptor open for its app, and closes those around it", () => {
  const ranges = recordedExec().filter(({ name }) => name === "close_range");
  assertEquals(ranges.map(({ args }) => args.slice(0, 2)), [
    [3, KEPT.number - 1],
    [KEPT.number + 1, 0xffff_ffff],
  ]);
  const closed = recordedExec().filter(({ name }) => name === "close").map(({ args }) => args[0]);
  assertEquals(closed, [DIRECTORY.number, PROC.number]);
});

Deno.test("the caller's limits are back before the user changes and the filter is in force", () => {
  for (const [who, calls] of everyList()) {
    assertOrder(calls, who, "the limits", "the groups", "the user", "the filter");
    const limits = calls.filter(({ name }) => name === "prlimit64").map(({ args }) => args);
    assertEquals(limits, [[0, 7, [321n, 20000n], null]], who);
  }
});

Deno.test("groups change before the group, and the group before the user", () => {
  for (const [who, calls] of everyList()) {
    assertOrder(calls, who, "the groups", "the group", "the user");
  }
});

Deno.test("the bounding set shrinks while the process may still change it", () => {
  for (const [who, calls] of everyList()) {
    assertOrder(calls, who, "the bounding set", "the groups", "the user");
  }
});

Deno.test("a user other than root gives up new privileges before its filter, and root keeps them", () => {
  for (const [who, calls, { credentials }] of everyList()) {
    const isRoot = credentials.uid === 0;
    assertEquals(calls.some(STEPS["no new privileges"]), !isRoot, who);
    if (!isRoot) assertOrder(calls, who, "the user", "no new privileges", "the filter");
  }
  const privileges = { ...LAUNCH.privileges, noNewPrivileges: true };
  for (const calls of [recorded({ privileges }), recordedExec({ ...LAUNCH, privileges })]) {
    assertOrder(calls, "root, as its manifest asks", "no new privileges", "the filter");
  }
});

Deno.test("once the user has changed, nobody may look into the process", () => {
  for (const [who, calls] of everyList()) {
    assertOrder(calls, who, "the user", "undumpable", "the filter", "the program");
  }
  for (const [who, process] of NEW_PROCESSES) {
    assertOrder(recorded(process), who, "the user", "undumpable", "the entrance");
  }
});

Deno.test("root puts its filter in force before it gives up the capability for that", () => {
  for (const [who, calls, { credentials }] of everyList()) {
    if (credentials.uid === 0) {
      assertOrder(calls, who, "the user", "the filter", "the capabilities");
    }
  }
});

Deno.test("every call after the filter carries the pass through it", () => {
  for (const [who, calls] of everyList()) {
    const after = calls.slice(calls.findIndex(STEPS["the filter"]) + 1);
    const passes = new Set(after.map(({ args }) => args.slice(4).join()));
    assertEquals(passes.size, 1, who);
    // Two random words: an app that is refused a call cannot know them.
    assert(/^\d+,\d+$/.test([...passes][0]!), who);
  }
});

Deno.test("a process executes its program last, and nothing else", () => {
  for (const [who, calls] of everyList()) {
    assertEquals(namesOf(calls).filter((name) => name.startsWith("exec")), ["execve"], who);
    assertEquals(calls.at(-1)?.name, "execve", who);
    const [path, argv, environment] = calls.at(-1)!.args;
    assertEquals([path, argv, environment], ["/bin/app", ["/bin/app", "x", null], ["A=1", null]]);
  }
});

Deno.test("a process tries the files that its program may be in turn, and nothing else", () => {
  const files = ["/a/app", "/b/app"].map((path) => ({ path, argv: [path], obstacle: undefined }));
  const program = { files, environment: ["A=1"] };
  for (const calls of [recorded({ program }), recordedExec({ ...LAUNCH, program })]) {
    const last = calls.slice(calls.findIndex(STEPS["the program"]));
    assertEquals(last.map(({ name, args }) => [name, ...args.slice(0, 3)]), [
      ["execve", "/a/app", ["/a/app", null], ["A=1", null]],
      ["execve", "/b/app", ["/b/app", null], ["A=1", null]],
    ]);
  }
});

Deno.test("a process dies with its starter from its entrance on, before it has a session", () => {
  for (const [who, process] of NEW_PROCESSES) {
    assertOrder(
      recorded(process),
      who,
      "the entrance",
      "the death with the starter",
      "the session",
    );
  }
});

Deno.test("a terminal is taken in a session of the process's own", () => {
  assertOrder(recorded(), "an app", "the session", "the terminal", "the program");
});

Deno.test("in the pod's sight a process only becomes its program", () => {
  const { inside } = sides();
  assertEquals(namesOf(inside), ["prctl", "getppid", "setsid", "ioctl", "execve"]);
  const bare = { streams: { ...LAUNCH.streams, hasTerminal: false, isCallers: true } };
  assertEquals(namesOf(sides(bare).inside), ["prctl", "getppid", "execve"]);
});

Deno.test("an app's sockets get the numbers from 3 on, and nothing else stays open", () => {
  const activation = { sockets: [new Fd(3), new Fd(5), new Fd(9)], names: ["a", "b", "c"] };
  for (const calls of [recorded({ activation }), recordedExec({ ...LAUNCH, activation })]) {
    const moved = calls.filter(({ name, args }) => name === "dup3" && Number(args[1]) > 2);
    assertEquals(moved.map(({ args }) => args), [[5, 4, 0], [9, 5, 0]]);
    const kept = calls.filter(({ name }) => name === "fcntl").map(({ args }) => args[0]);
    assertEquals(kept, [3]);
    const closed = calls.filter(({ name }) => name === "close").map(({ args }) => args[0]);
    assert(closed.includes(9) && ![3, 4, 5].some((fd) => closed.includes(fd)), closed.join());
    assertEquals(calls.find(({ name }) => name === "close_range")!.args[0], 6);
  }
});

Deno.test("an app is told of its sockets; a new process finds out its own id, by the pass", () => {
  const activation = { sockets: [new Fd(3)], names: ["web"] };
  const program = { ...LAUNCH.program, environment: ["A=1", "LISTEN_FDS=7", "LISTEN_PID=1"] };
  const told = (calls: RecordedCall[]) => {
    const variables = calls.at(-1)!.args[2] as (string | Uint8Array | null)[];
    return variables.map((it) => it instanceof Uint8Array ? new TextDecoder().decode(it) : it)
      .map((it) => it?.replace(/\0*$/, "") ?? null);
  };
  const texts = ["A=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=web"];
  const exec = recordedExec({ ...LAUNCH, program, activation });
  assertEquals(told(exec), [...texts, `LISTEN_PID=${Deno.pid}`, null]);
  assertEquals(namesOf(exec).includes("readlinkat"), false);
  const started = recorded({ program, activation });
  assertEquals(told(started), [...texts, "LISTEN_PID=", null]);
  const { name, args } = started.at(-2)!;
  assertEquals([name, args[1], args[3], args.length], ["readlinkat", "/proc/self", 10, 6]);
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

Deno.test("root gives up before the entrance what the app has not; others have nothing left", () => {
  const isCapset = (name: string) => name === "capset";
  assertEquals(namesOf(recorded()).filter(isCapset).length, 1);
  assertOrder(recorded(), "root", "the capabilities", "the entrance");
  const credentials = OF_USER;
  assertEquals(namesOf(recorded({ credentials })).filter(isCapset).length, 0);
  const privileges = { ...LAUNCH.privileges, capabilities: undefined };
  assertEquals(namesOf(recorded({ privileges })).filter(isCapset).length, 0);
});

Deno.test("an app without restrictions has no bounding set, filter or capabilities to take on", () => {
  const privileges = planPrivileges({}, {
    disableCapabilities: true,
    disableSeccomp: true,
    restrictByDefault: true,
  });
  for (const calls of [recorded({ privileges }), recordedExec({ ...LAUNCH, privileges })]) {
    const steps = stepsOf(calls);
    for (const step of ["the bounding set", "the filter", "the capabilities"] as const) {
      assert(!steps.includes(step), step);
    }
    assertOrder(
      calls,
      "an app",
      "the groups",
      "the group",
      "the user",
      "undumpable",
      "the program",
    );
  }
});
