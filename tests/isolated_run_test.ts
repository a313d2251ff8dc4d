/**
 * Tests of pods with namespaces of their own: what processes share, how pods end, what they leave.
 */

import { assert, assertEquals } from "@std/assert";
import { assertCode, assertPrints, assertRefused, parseEnviron } from "./expect.ts";
import { eventually } from "./host.ts";
import { NAMESPACES, processOf, sharedNamespaces, startUp } from "./pod_processes.ts";
import { isAlive, readProcess, readStatus } from "./procfs.ts";
import { scenario } from "./scenario.ts";

const UP = "echo up; exec sleep 100";

scenario(
  "apps share namespaces of the pod's own, and each has mounts and a view of cgroups of its own",
  { flavor: "isolated" },
  async ({ scripts }) => {
    await using pod = await scripts({ one: UP, two: UP });
    const program = await startUp(pod, 2);
    const [one, two] = [processOf(program, "one"), processOf(program, "two")];
    const shared = NAMESPACES.filter((kind) => kind !== "mnt" && kind !== "cgroup");
    assertEquals(sharedNamespaces(one, two), shared);
    assertEquals(sharedNamespaces(one, pod.readNumber("pid")!), shared);
    assertEquals(sharedNamespaces(one, "self"), ["user"]);
    assertEquals(sharedNamespaces(program.pid, "self"), [...NAMESPACES]);
    // The app sees the other one's processes, but not its files.
    const { stdout } = await pod.enter("one", ["/bin/sh", "-c", "ps; ls /proc"]);
    assertEquals(stdout.match(/sleep 100/g)?.length, 2, stdout);
    assert(!stdout.includes(`\n${Deno.pid}\n`));
  },
);

scenario(
  "pid 1 is a process that only waits, and may do nothing",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(UP);
    const program = await startUp(pod);
    const first = pod.readNumber("pid")!;
    const { Name, NSpid, PPid, CapPrm, CapEff, Threads, SigIgn } = readStatus(first);
    assertEquals(
      { Name, NSpid, PPid, CapPrm, CapEff, Threads },
      {
        Name: "init",
        NSpid: `${first}\t1`,
        PPid: `${program.pid}`,
        CapPrm: "0000000000000000",
        CapEff: "0000000000000000",
        Threads: "1",
      },
    );
    const SIGCHLD = 17n;
    assertEquals(BigInt(`0x${SigIgn}`), 1n << (SIGCHLD - 1n));
    assertEquals([...Deno.readDirSync(`/proc/${first}/fd`)].map(({ name }) => name), ["0"]);
    assertEquals(Deno.readTextFileSync(`/proc/${first}/environ`), "");
    assertEquals(readStatus(program.pid)["Threads"], "1");
  },
);

/** The kibibytes of private memory that an idle `run` may have. */
const LEAN = 19 * 1024;

scenario(
  "a run that waits for long has little memory",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(UP);
    const program = await startUp(pod);
    const memory = () => parseInt(readStatus(program.pid)["RssAnon"]!);
    assert(memory() > LEAN, `${memory()} KiB before anything is given back`);
    await eventually("memory to be given back", () => memory() < LEAN);
    assertPrints(await pod.enter("app", ["/bin/echo", "here"]), "here\n");
  },
);

scenario("the pod ends with its pid 1", { flavor: "isolated" }, async ({ scripts }) => {
  await using pod = await scripts({ one: UP, two: UP });
  const program = await startUp(pod, 2);
  Deno.kill(pod.readNumber("pid")!, "SIGKILL");
  assertCode(await program.result, 128 + 9);
  assertEquals(await pod.isRunning(), false);
});

const SHOW_NAMES = "hostname; cat /etc/hostname; cut -d ' ' -f 1,2,6 /etc/hosts; " +
  "hostname changed 2>/dev/null; hostname; " +
  "(echo other >/etc/hostname) 2>/dev/null || echo kept";

const NO_NAMES: [what: string, hostname: string, matter: RegExp][] = [
  ["65 characters", "a".repeat(65), /^run: --hostname: 65 bytes are more than /],
  ["two words", "one two", /^run: --hostname: "one two" is no single name/],
  ["a line of /etc/hosts", "a\n1.2.3.4 b", /^run: --hostname: "a\\n1.2.3.4 b" is no single name/],
];

for (const [what, hostname, matter] of NO_NAMES) {
  scenario(
    `a host name of ${what} is refused by its flag`,
    { flavor: "isolated" },
    async (stage) => {
      await using pod = await stage.script("true");
      assertRefused(await pod.run({ flags: { hostname } }), "run", matter);
    },
  );
}

for (const hostname of [undefined, "box"]) {
  scenario(
    `a pod is called ${hostname ?? "after its UUID"}, and the host is not`,
    { flavor: "isolated" },
    async ({ script }) => {
      await using pod = await script(SHOW_NAMES);
      const before = Deno.hostname();
      const name = hostname ?? `rkt-${pod.uuid}`;
      const result = await pod.run({ flags: hostname === undefined ? {} : { hostname } });
      const hosts = `127.0.0.1 localhost ${name}\n::1 localhost ${name}\n`;
      assertPrints(result, `${name}\n${name}\n${hosts}${name}\nkept\n`);
      assertEquals(Deno.hostname(), before);
    },
  );
}

scenario(
  "an app that may changes the pod's name, not the host's",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("hostname changed; hostname; cat /etc/hostname");
    const before = Deno.hostname();
    const disable = ["capabilities-restriction", "seccomp"] as const;
    assertPrints(await pod.run({ flags: { disable: [...disable] } }), "changed\nchanged\n");
    assertEquals(Deno.hostname(), before);
  },
);

scenario(
  "an image's own /etc/hosts stays as it is",
  { flavor: "isolated" },
  async ({ image, script }) => {
    const files = { "/etc/hosts": "192.0.2.1 mine\n", "/etc/hostname": "mine\n" };
    await using pod = await script("cat /etc/hosts /etc/hostname", {
      image: await image({ files }),
    });
    assertPrints(await pod.run({ flags: { hostname: "box" } }), "192.0.2.1 mine\nbox\n");
  },
);

const ipcModes: [mode: "auto" | "private" | "parent", isShared: boolean][] = [
  ["auto", false],
  ["private", false],
  ["parent", true],
];

for (const [ipc, isShared] of ipcModes) {
  scenario(
    `--ipc=${ipc} decides whose message queues an app has`,
    { flavor: "isolated" },
    async ({ script }) => {
      await using pod = await script(UP);
      const program = await startUp(pod, 1, { flags: { ipc } });
      const app = processOf(program);
      assertEquals(sharedNamespaces(app, "self").includes("ipc"), isShared);
      const mounts = Deno.readTextFileSync(`/proc/${app}/mounts`);
      assertEquals(mounts.includes(" /dev/mqueue mqueue "), !isShared);
    },
  );
}

scenario(
  "a pod without a network has the loopback interface alone",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script(
      "ls /sys/class/net; ping -c 1 127.0.0.1 | grep -c 'bytes from'",
    );
    assertPrints(await pod.run(), "lo\n1\n");
  },
);

scenario(
  "--net=host is the host's network, and nothing else of it",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(UP);
    const program = await startUp(pod, 1, { flags: { net: "host" } });
    assertEquals(sharedNamespaces(processOf(program), "self"), ["net", "user"]);
  },
);

scenario(
  "the app's exit status is the pod's, and kept for rkt",
  { flavor: "isolated" },
  async ({ script }) => {
    const ends: [script: string, status: number][] = [
      ["exit 0", 0],
      ["exit 1", 1],
      ["exit 127", 127],
      ["exit 254", 254],
      ["exit 255", 255],
      ["kill -TERM $$", 143],
      ["kill -KILL $$", 137],
      ["kill -ABRT $$", 134],
    ];
    for (const [text, status] of ends) {
      await using pod = await script(text);
      const { code, signal, stderr } = await pod.run();
      assertEquals({ code, signal, stderr }, { code: status, signal: null, stderr: "" }, text);
      const kept = await Deno.readTextFile(`${pod.stage1Rootfs}/rkt/status/app`);
      assertEquals(kept, `${status}\n`);
    }
  },
);

scenario(
  "what an app writes goes to the caller, and to its log",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(
      "echo out; echo error >&2; printf 'no end'; readlink /proc/self/fd/0",
    );
    const { code, stdout, stderr } = await pod.run({ stdin: "not for the app" });
    assertEquals({ code, stdout, stderr }, {
      code: 0,
      stdout: "out\nno end/dev/null\n",
      stderr: "error\n",
    });
    const log = await Deno.readTextFile(`${pod.dir}/log/app.log`);
    assertEquals(log.split("\n").toSorted(), ["", "error", "no end/dev/null", "out"]);
  },
);

scenario(
  "--interactive without a terminal leads the caller's streams to the app",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script("cat; echo error >&2");
    const result = await pod.run({ stdin: "one\ntwo", flags: { interactive: true } });
    assertPrints(result, "one\ntwo");
    assertEquals(result.stderr, "error\n");
  },
);

scenario(
  "an app inherits no descriptor, and no thread",
  { flavor: "isolated" },
  async ({ script }) => {
    const text = "ls /proc/self/fd; ls /proc/self/task | wc -l; ulimit -Sn; umask; pwd";
    await using pod = await script(text, { app: { workingDirectory: "/home" } });
    const result = await pod.run({ extraFds: [5, 7], limits: ["-S -n 321"] });
    const umask = Deno.umask().toString(8).padStart(4, "0");
    // 3 is the directory that ls itself reads; no app has the lock, which only `run` holds.
    assertPrints(result, `0\n1\n2\n3\n1\n321\n${umask}\n/home\n`);
  },
);

scenario(
  "an app ignores the signals that its caller ignores, and blocks none",
  { flavor: "isolated" },
  async ({ pod: prepare }) => {
    // A shell would make its children ignore SIGQUIT.
    const exec = ["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    await using pod = await prepare({ app: { exec } });
    const result = await pod.run({ ignoredSignals: ["HUP", "PIPE", "CHLD", "QUIT"] });
    assertPrints(result, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000005\n");
  },
);

scenario(
  "an app's environment is what its manifest says",
  { flavor: "isolated" },
  async ({ pod: prepare }) => {
    const environment = [{ name: "LINES", value: "one\ntwo" }, { name: "HOME", value: "/home" }];
    const exec = ["/bin/cat", "/proc/self/environ"];
    await using pod = await prepare({ app: { exec, environment, user: "volo", group: "volo" } });
    const { PATH, ...rest } = parseEnviron((await pod.run()).stdout);
    assert(PATH?.startsWith("/usr/local/sbin:"));
    assertEquals(rest, {
      AC_APP_NAME: "app",
      HOME: "/home",
      LINES: "one\ntwo",
      LOGNAME: "volo",
      SHELL: "/bin/sh",
      USER: "volo",
      container: "rkt",
    });
  },
);

scenario(
  "the pod directory names the pod's first process and run's group",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script(UP);
    const program = await pod.start({ detached: true });
    assertEquals(readProcess(pod.readNumber("pid")!)?.parent, program.pid);
    assertEquals(pod.readNumber("pgid"), readProcess(program.pid)?.group);
    assertEquals(pod.readNumber("ppid"), undefined);
    for (const file of ["pid", "pgid"]) {
      assert(/^\d+\n$/.test(await Deno.readTextFile(`${pod.dir}/${file}`)), file);
    }
    assertEquals(await pod.isRunning(), true);
  },
);

scenario(
  "signals to run are for the app, and the last one ends it",
  { flavor: "isolated" },
  async ({ script }) => {
    const traps = "trap 'echo usr' USR1; trap 'echo hup' HUP; trap 'echo asked; exit 3' TERM";
    await using pod = await script(`${traps}; echo up; while :; do sleep .05; done`);
    const program = await startUp(pod);
    for (const [signal, word] of [["SIGUSR1", "usr"], ["SIGHUP", "hup"]] as const) {
      program.kill(signal);
      await program.prints(word);
    }
    program.kill("SIGTERM");
    const { code, stdout } = await program.result;
    assertEquals({ code, stdout }, { code: 3, stdout: "up\nusr\nhup\nasked\n" });
  },
);

scenario(
  "a pod that has ended leaves no process and no mount",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("(sleep 100 &); setsid sleep 100 & echo up; sleep .1; exit 5");
    const program = await startUp(pod);
    const first = pod.readNumber("pid")!;
    assertCode(await program.result, 5);
    assertEquals(isAlive(first), false);
    assertEquals(pod.foreignMounts(), []);
    assertEquals(await pod.isRunning(), false);
  },
);

scenario(
  "what a process leaves behind is reaped by pid 1",
  { flavor: "isolated" },
  async ({ script }) => {
    const text = "for i in $(seq 20); do (sleep .01 &); done; echo up; exec sleep 100";
    await using pod = await script(text);
    const program = await startUp(pod);
    const show = ["/bin/sh", "-c", "grep -h '^State' /proc/[0-9]*/status; ps | grep -c '[.]01'"];
    await eventually("the end of all", async () => {
      const { stdout } = await pod.enter("app", show);
      return stdout.endsWith("\n0\n") && !stdout.includes("zombie");
    });
    assertEquals(program.ended, false);
  },
);

scenario(
  "an app that cannot be started leaves nothing",
  { flavor: "isolated" },
  async ({ pod: prepare }) => {
    await using pod = await prepare({ app: { exec: ["/missing"] } });
    assertRefused(
      await pod.run(),
      "run",
      /apps\[0\]\.app\.exec\[0\]: Error: Unable to open "\/missing": /,
    );
    assertEquals(pod.readNumber("pid"), undefined);
    assertEquals(pod.foreignMounts(), []);
    assertEquals(await pod.isRunning(), false);
  },
);

scenario(
  "a pod works with copies instead of overlays",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("echo copied", { overlay: false });
    assertPrints(await pod.run(), "copied\n");
  },
);
