import "../linux/libc_testing.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { compileNative, OWN_ARCHITECTURE } from "../../image/native.ts";
import { ownChildren } from "../linux/children_testing.ts";
import { SyscallError } from "../linux/errno.ts";
import { Fd } from "../linux/fd.ts";
import { posixSpawn } from "../linux/libc.ts";
import { openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { makePipe } from "../linux/pipe.ts";
import { POLLIN, waitForEvents } from "../linux/poll.ts";
import { childrenOf, listProcesses, parentOf, startOf } from "../linux/proc.ts";
import { readKernelFile, readText } from "../linux/read_write.ts";
import { SIGKILL, SIGTERM } from "../linux/signal_numbers.ts";
import { type End, endOf, waitFor } from "../linux/wait.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { Launch } from "./launch.ts";
import { launchDeferred, launchMinded, type Minding } from "./minded_launch.ts";
import { Minder, type MinderNews } from "./minder.ts";

const root = { ignore: Deno.uid() !== 0 };

/** What a launch needs, while a test runs in a pod directory with `init`. */
interface Bench extends Minding {
  /** A shell in the host's namespaces, which writes to a pipe. */
  shell(text: string, changes?: Partial<Launch>): Launch;
  /** Reads what has been written, once every process that may write has ended. */
  output(): string;
}

function withBench(test: (bench: Bench) => void): void {
  const before = Deno.cwd();
  const directory = Deno.makeTempDirSync();
  const children = ownChildren();
  try {
    using opened = new DisposableStack();
    Deno.chdir(directory);
    Deno.mkdirSync(`${directory}/stage1/rootfs`, { recursive: true });
    Deno.writeFileSync(POD_PATHS.init, compileNative("init", OWN_ARCHITECTURE).bytes);
    Deno.chmodSync(POD_PATHS.init, 0o755);
    test(benchIn(opened));
    // Of each minder, nobody else waits.
    for (const pid of ownChildren()) if (!children.includes(pid)) waitFor(pid);
  } finally {
    Deno.chdir(before);
    Deno.removeSync(directory, { recursive: true });
  }
}

function benchIn(opened: DisposableStack): Bench {
  const open = (path: string) => opened.use(openFile(path, O_PATH | O_DIRECTORY));
  const { readEnd, writeEnd } = makePipe();
  opened.use(readEnd);
  const ends = new DisposableStack();
  ends.use(writeEnd);
  opened.use(ends);
  const proc = open("/proc");
  const launch: Omit<Launch, "program"> = {
    cgroups: [],
    namespaces: [],
    mounts: opened.use(openNamespace("self", "mnt")),
    root: open("/"),
    pidNamespace: undefined,
    users: undefined,
    ownCgroupNamespace: false,
    workingDirectory: open("/"),
    proc,
    labels: { labels: [], notes: [] },
    credentials: { uid: 0, gid: 0, groups: [0] },
    privileges: {
      capabilities: undefined,
      seccomp: undefined,
      noNewPrivileges: false,
      ignored: [],
    },
    streams: { fds: [writeEnd, writeEnd, writeEnd], hasTerminal: false, isCallers: false },
  };
  return {
    supervisor: { pid: Deno.pid, process: opened.use(openProcess(Deno.pid)!) },
    shell: (text, changes) => ({
      ...launch,
      program: {
        files: [{ path: "/bin/sh", argv: ["sh", "-c", text], obstacle: undefined }],
        environment: ["PATH=/usr/bin:/bin"],
      },
      ...changes,
    }),
    output() {
      ends.dispose();
      return readText(readEnd, 10_000);
    },
  };
}

/** The next news, which has to come within some seconds. */
function newsOf(minder: Minder): MinderNews {
  waitForEvents([{ fd: minder.fd, events: POLLIN }], 5000);
  const news = minder.news();
  assert(news !== undefined, "no news");
  return news;
}

function endOfMinded(minder: Minder): End {
  const news = newsOf(minder);
  assert("end" in news, "it has not ended");
  return news.end;
}

/** Asserts that a process ends, within some seconds. */
function assertEnds(process: Fd): void {
  assertEquals(waitForEvents([{ fd: process.number, events: POLLIN }], 5000).length, 1, "it lives");
}

/** Launches a process, and lets its minder and its descriptor go after the test. */
function launched(process: Launch, minding: Minding, opened: DisposableStack) {
  const { pid, process: held, minder: socket } = launchMinded(process, minding, () => {});
  opened.use(held);
  return { pid, process: held, minder: opened.use(new Minder(socket, false)) };
}

Deno.test("the end of a minded process is told", root, () => {
  withBench((bench) => {
    using opened = new DisposableStack();
    const exits = launched(bench.shell("exit 3"), bench, opened);
    assertEquals(endOfMinded(exits.minder), { status: 3 });
    assertEquals(exits.minder.news(), undefined);
    const killed = launched(bench.shell("kill -TERM $$"), bench, opened);
    assertEquals(endOfMinded(killed.minder), { signal: SIGTERM });
    assertEnds(killed.process);
    assertEquals(killed.minder.awaitEnd(killed.pid), { signal: SIGTERM });
  });
});

Deno.test("a process that ends at once is still there when it is looked at", root, () => {
  withBench((bench) => {
    const look = (pid: number) => {
      while (!/^State:\tZ/m.test(readKernelFile(`/proc/${pid}/status`)));
      return parentOf(pid) === undefined ? "orphan" : "child";
    };
    const { seen, process, minder } = launchMinded(bench.shell("exit 7"), bench, look);
    using _process = process;
    using told = new Minder(minder, false);
    assertEquals(seen, "child");
    assertEquals(endOfMinded(told), { status: 7 });
  });
});

Deno.test("a process that stops and goes on is minded to its end", root, () => {
  withBench((bench) => {
    using opened = new DisposableStack();
    const { minder, pid, process } = launched(bench.shell("sleep 30; exit 4"), bench, opened);
    Deno.kill(pid, "SIGSTOP");
    Deno.kill(pid, "SIGCONT");
    assertEquals(waitForEvents([{ fd: minder.fd, events: POLLIN }], 100), []);
    signalProcess(process, SIGKILL);
    assertEquals(endOfMinded(minder), { signal: SIGKILL });
  });
});

Deno.test("a minder is this process's child, and gives up everything", root, () => {
  withBench((bench) => {
    using opened = new DisposableStack();
    const { pid } = launched(bench.shell("sleep 30"), bench, opened);
    const minder = parentOf(pid)!;
    assertEquals(parentOf(minder), Deno.pid);
    const status = readKernelFile(`/proc/${minder}/status`);
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1];
    assertEquals(field("Name"), "volo-minder");
    const capKill = 1n << 5n;
    const sets = ["CapPrm", "CapEff", "CapInh", "CapAmb"].map((set) => BigInt(`0x${field(set)}`));
    assertEquals(sets, [capKill, capKill, 0n, 0n]);
    assertEquals([field("NoNewPrivs"), field("Seccomp")], ["1", "2"]);
    const fds = [...Deno.readDirSync(`/proc/${minder}/fd`)].map(({ name }) => name).sort();
    assertEquals(fds, ["0", "1", "2"]);
    assertEquals(Deno.readLinkSync(`/proc/${minder}/cwd`), "/");
  });
});

for (const uid of [0, 1000]) {
  Deno.test(`a process of user ${uid} dies with its minder, which counts as killed`, root, () => {
    withBench((bench) => {
      using opened = new DisposableStack();
      const process = bench.shell("sleep 30", { credentials: { uid, gid: uid, groups: [uid] } });
      const { pid, process: held, minder } = launched(process, bench, opened);
      Deno.kill(parentOf(pid)!, "SIGKILL");
      assertEquals(endOfMinded(minder), { signal: SIGKILL });
      assertEnds(held);
    });
  });

  Deno.test(`a process of user ${uid} dies when its minder's socket is closed`, root, () => {
    withBench((bench) => {
      const process = bench.shell("sleep 30", { credentials: { uid, gid: uid, groups: [uid] } });
      const { process: held, minder } = launchMinded(process, bench, () => {});
      using _held = held;
      minder[Symbol.dispose]();
      assertEnds(held);
    });
  });
}

Deno.test("signals that a minder can hear do not end it", root, () => {
  withBench((bench) => {
    using opened = new DisposableStack();
    const { pid, process, minder } = launched(bench.shell("sleep 30"), bench, opened);
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD", "SIGUSR1"] as const) {
      Deno.kill(parentOf(pid)!, signal);
    }
    assertEquals(waitForEvents([{ fd: minder.fd, events: POLLIN }], 100), []);
    signalProcess(process, SIGTERM);
    assertEquals(endOfMinded(minder), { signal: SIGTERM });
  });
});

Deno.test(
  "a call that fails on either side of the entrance is an error, and nothing is left",
  root,
  () => {
    withBench((bench) => {
      const before = ownChildren();
      const nowhere = bench.shell("", {
        program: {
          files: [{ path: "/nowhere", argv: ["x"], obstacle: "is not there" }],
          environment: [],
        },
      });
      assertThrows(
        () => launchMinded(nowhere, bench, () => {}),
        SyscallError,
        '"/nowhere" is not there',
      );
      const closed = new Fd(9999);
      const unreadable = bench.shell("", { workingDirectory: closed, program: nowhere.program });
      assertThrows(() => launchMinded(unreadable, bench, () => {}), SyscallError, "EBADF");
      assertEquals(ownChildren(), before);
    });
  },
);

Deno.test("a deferred process begins when it is told to, and its end is told", root, () => {
  withBench((bench) => {
    using opened = new DisposableStack();
    const socket = launchDeferred(bench.shell("echo begun; exit 5"), bench, (call) => `${call}: `);
    const minder = opened.use(new Minder(socket, true));
    assertEquals(waitForEvents([{ fd: minder.fd, events: POLLIN }], 100), []);
    minder.go();
    const news = newsOf(minder);
    assert("begun" in news);
    opened.use(news.begun.process);
    assertEnds(news.begun.process);
    assertEquals(minder.awaitEnd(news.begun.pid), { status: 5 });
    assertEquals(bench.output(), "begun\n");
  });
});

Deno.test(
  "a deferred process that has begun can be looked at, also when it has ended",
  root,
  () => {
    withBench((bench) => {
      using minder = new Minder(launchDeferred(bench.shell("exit 5"), bench, (call) => call), true);
      minder.go();
      waitForEvents([{ fd: minder.fd, events: POLLIN }], 1000);
      let seen: string | undefined;
      const look = (pid: number) => {
        using process = openProcess(pid)!;
        assertEnds(process);
        seen = startOf(pid);
      };
      const news = minder.news(look);
      assert(news && "begun" in news);
      using _process = news.begun.process;
      assertEquals(endOfMinded(minder), { status: 5 });
      assert(seen !== undefined);
    });
  },
);

Deno.test("a deferred process that cannot begin says why on its own standard error", root, () => {
  withBench((bench) => {
    const files = [{ path: "/nowhere", argv: ["x"], obstacle: undefined }];
    const process = bench.shell("", { program: { files, environment: [] } });
    const socket = launchDeferred(process, bench, (call, name) => `${name}: ${call}: `);
    {
      using minder = new Minder(socket, true);
      minder.go();
      const news = newsOf(minder);
      assert("begun" in news);
      using _process = news.begun.process;
      assertEquals(endOfMinded(minder), { status: 254 });
    }
    assertEquals(
      bench.output(),
      'execve: execve("/nowhere") as user 0: ENOENT, no such file or directory\n',
    );
  });
});

Deno.test("a deferred process that is let go never begins, and holds nothing then", root, () => {
  withBench((bench) => {
    const before = ownChildren();
    const socket = launchDeferred(bench.shell("echo begun"), bench, (call) => `${call}: `);
    const holder = ownChildren().find((child) => !before.includes(child))!;
    new Minder(socket, true)[Symbol.dispose]();
    assertEquals(readFdsOf(holder), []);
    assertEquals(bench.output(), "");
  });
});

/** A zombie has no descriptors. */
function readFdsOf(pid: number): string[] {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => name);
}

/** Runs a test with a PID namespace of which the test is no part. */
async function withPidNamespace(test: (namespace: Fd) => void): Promise<void> {
  const args = ["--pid", "--fork", "--kill-child", "sh", "-c", "echo; exec sleep 100"];
  const holder = new Deno.Command("unshare", { args, stdout: "piped" }).spawn();
  try {
    const reader = holder.stdout.getReader();
    await reader.read();
    await reader.cancel();
    using namespace = openNamespace(childrenOf(holder.pid)[0]!, "pid");
    test(namespace);
  } finally {
    holder.kill("SIGKILL");
    await holder.status;
  }
}

Deno.test(
  "a minded process in a PID namespace is seen from outside, and dies as others do",
  root,
  async () => {
    await withPidNamespace((pidNamespace) =>
      withBench((bench) => {
        using opened = new DisposableStack();
        const inside = (text: string) =>
          launched(bench.shell(text, { pidNamespace }), bench, opened);
        const { minder } = inside("test $PPID = 0 && echo $$; exit 6");
        assertEquals(endOfMinded(minder), { status: 6 });
        const other = inside("exec sleep 30");
        const status = readKernelFile(`/proc/${other.pid}/status`);
        assertEquals(/^NSpid:\t(\d+)\t\d+$/m.exec(status)?.[1], `${other.pid}`);
        Deno.kill(parentOf(other.pid)!, "SIGKILL");
        assertEnds(other.process);
        assert(Number(bench.output()) > 1);
      })
    );
  },
);

/** Makes children of its own parent, which end at once, and stops before it ends itself. */
const SIBLINGS = `
import ctypes, os, signal
SYS_clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
for i in range(30):
    if ctypes.CDLL(None).syscall(SYS_clone, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0: os._exit(9)
os.kill(os.getpid(), signal.SIGSTOP)
os._exit(4)
`;

Deno.test(
  "of children that its process gives it, a minder waits for each and tells of none",
  root,
  () => {
    withBench((bench) => {
      using opened = new DisposableStack();
      const files = [{
        path: "/usr/bin/python3",
        argv: ["python3", "-c", SIBLINGS],
        obstacle: undefined,
      }];
      const program = { files, environment: [] };
      const { pid, minder } = launched(bench.shell("", { program }), bench, opened);
      const parent = parentOf(pid)!;
      while (!/^State:\tT/m.test(readKernelFile(`/proc/${pid}/status`)));
      const deadline = performance.now() + 5000;
      while (childrenOf(parent).length > 1) {
        assert(performance.now() < deadline, "zombies are left");
      }
      assertEquals(minder.news(), undefined);
      Deno.kill(pid, "SIGCONT");
      assertEquals(endOfMinded(minder), { status: 4 });
    });
  },
);

/** A way to have somebody trace a process, as an app with `CAP_SYS_PTRACE` may. */
const TRACER = `
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
assert libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), 0, 0) == 0
time.sleep(100)
`;

Deno.test("a tracer that keeps a process from its minder is killed", root, () => {
  withBench((bench) => {
    using opened = new DisposableStack();
    const { minder, pid, process } = launched(bench.shell("exec sleep 30"), bench, opened);
    const tracer = posixSpawn("/usr/bin/python3", ["python3", "-c", TRACER, `${pid}`], []);
    while (!/^TracerPid:\t[1-9]/m.test(readKernelFile(`/proc/${pid}/status`)));
    signalProcess(process, SIGKILL);
    assertEnds(process);
    assertEquals(minder.news(), undefined);
    assertEquals(minder.awaitEnd(pid), { signal: SIGKILL });
    assertEquals(minder.news(), undefined);
    assertEquals(endOf(tracer), { signal: SIGKILL });
  });
});

Deno.test("a minder that was stopped is killed once its process has ended", root, () => {
  withBench((bench) => {
    using opened = new DisposableStack();
    const { minder, pid, process } = launched(bench.shell("exec sleep 30"), bench, opened);
    const parent = parentOf(pid)!;
    Deno.kill(parent, "SIGSTOP");
    signalProcess(process, SIGKILL);
    assertEnds(process);
    assertEquals(minder.awaitEnd(pid), { signal: SIGKILL });
    assertEquals(endOf(parent), { signal: SIGKILL });
  });
});

Deno.test("whenever a launch is broken off, no process of it is left", root, () => {
  withBench((bench) => {
    const before = ownChildren();
    let ended = 0;
    for (let microseconds = 0; microseconds < 8000; microseconds += 200) {
      const socket = launchDeferred(bench.shell("exec sleep 86921"), bench, (call) => `${call}: `);
      const minder = new Minder(socket, true);
      const holder = ownChildren().find((child) => !before.includes(child))!;
      minder.go();
      const until = performance.now() + microseconds / 1000;
      while (performance.now() < until);
      Deno.kill(holder, "SIGKILL");
      const news = newsOf(minder);
      if ("begun" in news) assertEnds(news.begun.process);
      else ended++;
      minder[Symbol.dispose]();
      waitFor(holder);
    }
    assert(ended > 0, "no launch was broken off early");
    assertNobodyRuns("sleep 86921");
  });
});

/** Asserts that within a second no process is left that has executed a command. */
function assertNobodyRuns(command: string): void {
  const isLeft = () => listProcesses().some((pid) => commandOf(pid) === command);
  const deadline = performance.now() + 1000;
  while (isLeft()) assert(performance.now() < deadline, `${command} is left`);
}

function commandOf(pid: number): string {
  try {
    return readKernelFile(`/proc/${pid}/cmdline`).split("\0").slice(0, -1).join(" ");
  } catch {
    return "";
  }
}
