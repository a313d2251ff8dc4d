/** Tests of what the apps of an isolated pod may do, and that no privilege leads out of the pod. */

import { assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints } from "./expect.ts";
import {
  BY_DEFAULT,
  COMPILER,
  FILTER_PROBE,
  imageWithProbe,
  readAttempts,
} from "./filter_probe.ts";
import { eventually } from "./host.ts";
import { processOf, startUp } from "./pod_processes.ts";
import { readStatus } from "./procfs.ts";
import { scenario, type SimplePod } from "./scenario.ts";
import type { RunFlags } from "./stage0.ts";

const UP = "echo up; exec sleep 100";

/** Flags that allow an app all that root may do. */
const UNRESTRICTED: RunFlags = { disable: ["capabilities-restriction", "seccomp", "paths"] };

/** The specification's default set of capabilities, as bits. */
const DEFAULT_SET = 0xa80425fbn;
const CAP_CHOWN = 1n << 0n;
const CAP_KILL = 1n << 5n;
const CAP_MKNOD = 1n << 27n;

/** The privileges of a process, as the kernel reports them. */
interface Privileges {
  permitted: bigint;
  effective: bigint;
  bounding: bigint;
  /** The inheritable and the ambient set: what a program keeps when it executes another. */
  inherited: bigint;
  noNewPrivileges: boolean;
  filtered: boolean;
}

function privilegesOf(pid: number): Privileges {
  const status = readStatus(pid);
  const set = (name: string) => BigInt(`0x${status[name]}`);
  return {
    permitted: set("CapPrm"),
    effective: set("CapEff"),
    bounding: set("CapBnd"),
    inherited: set("CapInh") | set("CapAmb"),
    noNewPrivileges: status["NoNewPrivs"] === "1",
    filtered: status["Seccomp"] === "2",
  };
}

/** The capabilities of this test, beyond which no app can have any. */
const OWN = privilegesOf(Deno.pid).bounding;

/**
 * Returns the privileges of a root app with a bounding set and a filter; `other` replaces fields.
 */
function within(bounding: bigint, other: Partial<Privileges> = {}): Privileges {
  const set = bounding & OWN;
  return {
    permitted: set,
    effective: set,
    bounding: set,
    inherited: 0n,
    noNewPrivileges: false,
    filtered: true,
    ...other,
  };
}

/** The privileges of another user: capability sets only bound what its programs can get. */
const OF_USER = { permitted: 0n, effective: 0n, noNewPrivileges: true };

function isolator(name: string, value: unknown) {
  return { name: `os/linux/${name}`, value };
}

const VOLO: SimplePod["app"] = { user: "volo", group: "volo" };
const RETAIN = isolator("capabilities-retain-set", { set: ["CAP_CHOWN", "CAP_KILL"] });
const REMOVE = isolator("capabilities-remove-set", { set: ["CAP_MKNOD"] });
const NO_FILTER = isolator("seccomp-retain-set", { set: ["@appc.io/all"] });

const cases: [what: string, app: SimplePod["app"], expected: Privileges][] = [
  ["root has the spec's default set, and a filter", {}, within(DEFAULT_SET)],
  ["a user has no capabilities, and a filter", VOLO, within(DEFAULT_SET, OF_USER)],
  ["a retain-set is all there is", { isolators: [RETAIN] }, within(CAP_CHOWN | CAP_KILL)],
  [
    "a remove-set is taken from the default",
    { isolators: [REMOVE] },
    within(
      DEFAULT_SET & ~CAP_MKNOD,
    ),
  ],
  ["a retain-set can have more than the default", {
    isolators: [isolator("capabilities-retain-set", { set: ["CAP_SYS_TIME"] })],
  }, within(1n << 25n)],
  [
    "no filter is one that retains all",
    { isolators: [NO_FILTER] },
    within(DEFAULT_SET, {
      filtered: false,
    }),
  ],
  [
    "root can be without new privileges",
    { isolators: [isolator("no-new-privileges", true)] },
    within(DEFAULT_SET, { noNewPrivileges: true }),
  ],
  [
    "a user without a filter keeps new privileges",
    { ...VOLO, isolators: [NO_FILTER] },
    within(
      DEFAULT_SET,
      { ...OF_USER, noNewPrivileges: false, filtered: false },
    ),
  ],
];

for (const [what, app = {}, expected] of cases) {
  scenario(`privileges: ${what}`, { flavor: "isolated" }, async ({ script }) => {
    await using pod = await script(UP, { app });
    const program = await startUp(pod);
    assertEquals(program.stderr, "");
    assertEquals(privilegesOf(processOf(program)), expected);
  });
}

scenario(
  "stage0's user can lift each restriction alone",
  { flavor: "isolated" },
  async ({ script }) => {
    const lifted: [restriction: "capabilities-restriction" | "seccomp", Privileges][] = [
      ["capabilities-restriction", within(OWN)],
      ["seccomp", within(DEFAULT_SET, { filtered: false })],
    ];
    for (const [restriction, expected] of lifted) {
      await using pod = await script(UP);
      const program = await startUp(pod, 1, { flags: { disable: [restriction] } });
      assertEquals(privilegesOf(processOf(program)), expected);
    }
  },
);

/** Commands that root of an app may run. */
const USUAL = [
  "chown 1000 /tmp",
  "chmod 700 /tmp",
  "mkdir /made && chroot / true",
  "mkfifo /pipe",
  "ping -c 1 127.0.0.1 >/dev/null",
  "kill -0 $$",
  "su volo -s /bin/true",
];

/**
 * Commands that fail for root of an app: the filter refuses them or, without a filter, the lack of
 * a capability does.
 */
const REFUSED = [
  "mount -t tmpfs none /tmp",
  "umount /proc",
  "hostname other",
  "nsenter --mount=/proc/self/ns/mnt true",
  "unshare --mount true",
  "swapoff /dev/zero",
  "mknod /dev/mem c 1 1",
];

for (const disable of [[], ["seccomp" as const]]) {
  const which = disable.length === 0 ? "by default" : "without a filter";

  scenario(
    `${which} root does what apps do, and no more`,
    { flavor: "isolated" },
    async ({ script }) => {
      const text = [
        ...USUAL.map((command) => `${command} || echo "fails: ${command}"`),
        ...REFUSED.map((command) => `(${command}) >/dev/null 2>&1 && echo "works: ${command}"`),
        "true",
      ].join("\n");
      await using pod = await script(text);
      assertPrints(await pod.run({ flags: { disable } }), "");
    },
  );
}

scenario(
  "a refused call is an error, and a filter says which",
  { flavor: "isolated" },
  async ({ script }) => {
    const set = { set: ["mkdir", "mkdirat"], errno: "ENOTTY" };
    await using pod = await script("mkdir /new", {
      app: { isolators: [isolator("seccomp-remove-set", set)] },
    });
    const result = await pod.run();
    assertCode(result, 1);
    assertMatch(result.stderr, /Inappropriate ioctl|Not a tty/i);
    await using killed = await script("mkdir /new", {
      app: { isolators: [isolator("seccomp-remove-set", { set: ["mkdir", "mkdirat"] })] },
    });
    const { code } = await killed.run();
    assertEquals(code, 128 + 31);
  },
);

for (const [who, app] of [["root", {}], ["a user", VOLO]] as const) {
  scenario(`by default arguments decide what ${who} is refused`, {
    flavor: "isolated",
    needs: COMPILER,
  }, async (stage) => {
    const image = await imageWithProbe(stage);
    await using pod = await stage.pod({ image, app: { ...app, exec: [FILTER_PROBE] } });
    const result = await pod.run();
    assertCode(result, 0);
    assertEquals(readAttempts(result.stdout), BY_DEFAULT);
  });
}

scenario(
  "a manifest may name what arguments decide about",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const image = await imageWithProbe(stage);
    const set = ["@rkt/default-whitelist", "clone3", "personality"];
    const isolators = [isolator("seccomp-retain-set", { set, errno: "EPERM" })];
    await using pod = await stage.pod({ image, app: { exec: [FILTER_PROBE], isolators } });
    const result = await pod.run();
    assertCode(result, 0);
    const attempts = readAttempts(result.stdout);
    assertEquals(attempts, {
      ...BY_DEFAULT,
      "clone3": "ok",
      // The kernel decides, as the host may limit user namespaces.
      "clone3-user": attempts["clone3-user"]!,
      "personality-execute": "ok",
      "personality-foretold": "ok",
    });
  },
);

scenario(
  "pid 1 is bounded by what all apps may have together",
  { flavor: "isolated" },
  async (stage) => {
    const tree = await stage.image({});
    const app = (name: string, set: string[]) => ({
      image: tree,
      name,
      app: {
        exec: ["/bin/sh", "-c", UP],
        isolators: [isolator("capabilities-retain-set", { set })],
      },
    });
    await using pod = await stage.stage0.prepare({
      apps: [app("one", ["CAP_CHOWN"]), app("two", ["CAP_KILL"])],
    });
    const program = await startUp(pod, 2);
    const bounding = (pid: number) => privilegesOf(pid).bounding;
    assertEquals(bounding(pod.readNumber("pid")!), CAP_CHOWN | CAP_KILL);
    assertEquals(bounding(processOf(program, "one")), CAP_CHOWN);
    assertEquals(bounding(processOf(program, "two")), CAP_KILL);
  },
);

scenario(
  "pid 1 can come to nothing, whatever it is made to do",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(UP);
    await startUp(pod);
    const { bounding: _bounding, ...others } = privilegesOf(pod.readNumber("pid")!);
    assertEquals(others, {
      permitted: 0n,
      effective: 0n,
      inherited: 0n,
      noNewPrivileges: true,
      filtered: true,
    });
  },
);

/** Tries everything of pid 1 that leads to files. */
const LOOK_AT_FIRST = [
  "ls /proc/1/root/",
  "ls /proc/1/cwd/",
  "cat /proc/1/environ",
  "readlink /proc/1/fd/0",
  "readlink /proc/1/exe",
  "readlink /proc/1/ns/mnt",
  "cat /proc/1/maps | grep .",
];

scenario("no app can look into pid 1", { flavor: "isolated" }, async ({ script }) => {
  await using pod = await script(
    LOOK_AT_FIRST.map((it) => `(${it}) >/dev/null 2>&1 && echo "works: ${it}"; true`).join("\n"),
  );
  assertPrints(await pod.run(), "");
});

scenario(
  "with all privileges, pid 1 still leads to nothing of the host's",
  { flavor: "isolated" },
  async (stage) => {
    const look = "for path in / /.. /../../.. /proc/1/root/.. ; do ls /proc/1/root$path; done; " +
      "ls /proc/1/cwd/; nsenter --target=1 --mount ls /; nsenter --mount=/proc/self/ns/mnt ls /";
    await using pod = await stage.script(look);
    const { code, stdout, stderr } = await pod.run({ flags: UNRESTRICTED });
    const hiding = ["hidden-directory", "hidden-file", "hidden-file-systems", "null-console"];
    const ofPod = ["dev", ...hiding, "proc", "sys", "syslog"];
    const ofApp = ["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp"];
    const all = [...ofPod, ...ofPod, ...ofPod, ...ofPod, ...ofPod, ...ofPod, ...ofApp];
    assertEquals({ code, names: stdout.trim().split("\n"), stderr }, {
      code: 0,
      names: all,
      stderr: "",
    });
  },
);

scenario(
  "an app's signals reach its pod, but for pid 1",
  { flavor: "isolated" },
  async ({ script }) => {
    // If there are more processes than that, the test sees others than the pod's, and kills none.
    const text =
      "sleep 100 & test $(ps | wc -l) -lt 10 && kill -9 1 -1; wait; kill -0 1 && echo on";
    await using pod = await script(text);
    assertPrints(await pod.run(), "on\n");
  },
);

scenario(
  "run keeps only what it needs to wait and to end the pod",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(UP);
    const program = await startUp(pod);
    await eventually("the confinement", () => privilegesOf(program.pid).filtered);
    const { permitted, noNewPrivileges } = privilegesOf(program.pid);
    assertEquals(noNewPrivileges, true);
    const CAP_SYS_ADMIN = 1n << 21n;
    assertEquals(permitted & CAP_SYS_ADMIN, 0n);
  },
);
