/**
 * Tests that an entered command is restricted as its app is: the kernel's view of both is compared,
 * with either image.
 */

import { assert, assertEquals } from "@std/assert";
import { assertQuiet } from "./expect.ts";
import { childrenOf, readStatus } from "./procfs.ts";
import { scenario, type SimplePod } from "./scenario.ts";
import type { Program, RunFlags } from "./stage0.ts";

const SLEEP = ["/bin/sh", "-c", "echo up; exec sleep 77"];

/**
 * Declares a test, for either image, that compares the process of an app with that of a command.
 */
function comparing(
  name: string,
  app: NonNullable<SimplePod["app"]>,
  compare: (app: number, command: number) => void,
  flags: RunFlags = {},
): void {
  scenario(name, { flavor: "either" }, async ({ pod: prepare }) => {
    await using pod = await prepare({ app: { ...app, exec: SLEEP } });
    const program = await pod.start({ flags });
    await program.prints("up");
    const entered = pod.startEnter("app", SLEEP);
    await entered.prints("up");
    compare(processOf(program), processOf(entered));
    assertQuiet(await pod.gc());
  });
}

/**
 * Finds the process that a program was started for: a child of it in a pod with its own namespaces,
 * the program's own process in the host's.
 */
function processOf(program: Program): number {
  const sleeps = (argv: string[]) => argv.join(" ") === "sleep 77";
  const found = childrenOf(program.pid).find(({ argv }) => sleeps(argv));
  return found?.pid ?? program.pid;
}

/** The fields of a process's status that restrictions decide. */
const RESTRICTIONS = [
  "Uid",
  "Gid",
  "Groups",
  "CapInh",
  "CapPrm",
  "CapEff",
  "CapBnd",
  "CapAmb",
  "NoNewPrivs",
  "Seccomp",
  "Seccomp_filters",
];

function restrictionsOf(pid: number): Record<string, string | undefined> {
  const status = readStatus(pid);
  return Object.fromEntries(RESTRICTIONS.map((name) => [name, status[name]]));
}

const bounds: Record<string, NonNullable<SimplePod["app"]>> = {
  "root without isolators": {},
  "a user with groups": { user: "volo", group: "video", supplementaryGIDs: [4242] },
  "a retained set, a filter and no new privileges": {
    isolators: [
      { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_KILL", "CAP_CHOWN"] } },
      { name: "os/linux/seccomp-remove-set", value: { set: ["mknod"], errno: "EIO" } },
      { name: "os/linux/no-new-privileges", value: true },
    ],
  },
  "a user with a filter that allows few calls": {
    user: "volo",
    isolators: [{
      name: "os/linux/seccomp-retain-set",
      value: { set: ["@rkt/default-whitelist"] },
    }],
  },
};

for (const [what, app] of Object.entries(bounds)) {
  comparing(`a command may do what its app may: ${what}`, app, (app, command) => {
    assertEquals(restrictionsOf(command), restrictionsOf(app));
  });
}

const FILTERED = {
  isolators: [{ name: "os/linux/seccomp-remove-set", value: { set: ["mknod"] } }],
};

comparing("a filter that the run was to pass over binds no command either", FILTERED, (app, it) => {
  assertEquals([readStatus(app)["Seccomp"], readStatus(it)["Seccomp"]], ["0", "0"]);
}, { disable: ["seccomp"] });

const LIMITED = {
  isolators: [
    { name: "resource/memory", value: { limit: "256Mi" } },
    { name: "resource/cpu", value: { limit: "900m" } },
  ],
};

comparing("a command is in its app's cgroups", LIMITED, (app, command) => {
  const cgroupsOf = (pid: number) => Deno.readTextFileSync(`/proc/${pid}/cgroup`);
  assertEquals(cgroupsOf(command), cgroupsOf(app));
});

const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

comparing("a command is in every namespace of its app's, and in its root", {}, (app, command) => {
  const linksOf = (pid: number) =>
    NAMESPACES.map((kind) => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`));
  assertEquals(linksOf(command), linksOf(app));
  const rootOf = (pid: number) => {
    const { dev, ino } = Deno.statSync(`/proc/${pid}/root`);
    return { dev, ino };
  };
  assertEquals(rootOf(command), rootOf(app));
  assert(linksOf(app).some((link, i) => link !== linksOf(Deno.pid)[i]));
});
