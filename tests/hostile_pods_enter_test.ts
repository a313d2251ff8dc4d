/**
 * Tests of hostile pods that are entered. A command has nothing of its caller's that the app could
 * reach, and no more privileges than the app.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually, type Host, SCRIPT, withTerminal } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage, keyGiver } from "./hostile_pods/attackers.ts";
import { layBait, spoilsOf } from "./hostile_pods/bait.ts";
import {
  AS_USER,
  BY_DEFAULT,
  RESTRICTED,
  type Stance,
  WITH_PRIVATE_USERS,
} from "./hostile_pods/stances.ts";
import { startUp } from "./pod_processes.ts";
import { childrenOf, readStatus } from "./procfs.ts";
import { scenario } from "./scenario.ts";
import type { App, Program } from "./stage0.ts";

const UP = ["/bin/sh", "-c", "echo up; exec sleep 100"];

/**
 * Waits until the command of an `enter` is up, and returns its PID. Beside it, a process that
 * prepared it may not have ended yet.
 */
async function commandOf(program: Program): Promise<number> {
  await program.prints("up");
  const find = () => childrenOf(program.pid).find(({ argv }) => argv[0] === "sleep")?.pid;
  await eventually("the command", () => find() !== undefined);
  return find()!;
}

// Credentials.

/** Rewrites the app's own list of users, so that it makes the app's user root. */
const REWRITE = `
echo 'vic:x:0:0::/:/bin/sh' >/etc/passwd
echo 'vic:x:0:' >/etc/group
echo up
exec sleep 100`;

/** Reads the credentials of a process. */
function credentialsOf(pid: number): Record<string, string | undefined> {
  const { Uid, Gid, Groups, CapEff, CapPrm, CapBnd } = readStatus(pid);
  return { Uid, Gid, Groups, CapEff, CapPrm, CapBnd };
}

scenario(
  "who rewrites the app's users is entered as it was",
  { flavor: "either" },
  async (stage) => {
    const owner = { uid: 4242, gid: 4243 };
    const image = await hostileImage(stage, {
      files: {
        "/etc/passwd": { text: "vic:x:4242:4243::/:/bin/sh\n", ...owner },
        "/etc/group": { text: "vic:x:4243:\n", ...owner },
      },
    });
    const app = { user: "vic", group: "vic", supplementaryGIDs: [4244] };
    await using pod = await stage.script(REWRITE, { image, app });
    await startUp(pod);
    const program = pod.startEnter("app", UP);
    const { Uid, Gid, Groups, CapEff } = credentialsOf(await commandOf(program));
    const four = (id: number) => [id, id, id, id].join("\t");
    assertEquals({ Uid, Gid, Groups, CapEff }, {
      Uid: four(4242),
      Gid: four(4243),
      Groups: "4243 4244",
      CapEff: "0000000000000000",
    });
  },
);

// The caller's process group and terminal.

/**
 * A shell of the host that calls a program in a process group that both share, and reports that it
 * has survived.
 */
const CALLER: Host = {
  wrap: (argv) => ["setsid", "--wait", "sh", "-c", '"$@"; echo survived', "sh", ...argv],
};

scenario(
  "a command that kills its process group spares its caller",
  { flavor: "either" },
  async (stage) => {
    await using pod = await stage.pod({ app: { exec: UP } });
    await startUp(pod);
    const result = await pod.enter("app", ["/bin/sh", "-c", "kill -9 0"], { host: CALLER });
    assertMatch(result.stdout, /survived/);
  },
);

/** Reads the session of a process: proc_pid_stat(5). */
function sessionOf(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]);
}

scenario("a command has a session of its own", { flavor: "either" }, async (stage) => {
  await using pod = await stage.pod({ app: { exec: UP } });
  await startUp(pod);
  const program = pod.startEnter("app", UP);
  const command = await commandOf(program);
  assertEquals(sessionOf(command), command);
  assert(sessionOf(program.pid) !== command);
});

/**
 * Lists the terminals that a process has, by device and inode: two devpts instances may use the
 * same number.
 */
function terminalsOf(pid: number): string[] {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].flatMap(({ name }) => {
    const { dev, ino, rdev, isCharDevice } = Deno.statSync(`/proc/${pid}/fd/${name}`);
    return isCharDevice && rdev !== DEV_NULL ? [`${dev}:${ino}`] : [];
  });
}

const DEV_NULL = Deno.statSync("/dev/null").rdev;

/** The streams of an `enter` that are its caller's terminal. */
const REDIRECTIONS: [what: string, redirection: string, streams: number[]][] = [
  ["all streams", "", [0, 1, 2]],
  ["the input", ">$OUT 2>&1", [0]],
  ["the output", "</dev/null 2>/dev/null", [1]],
  ["the errors", "</dev/null >$OUT", [2]],
];

/** Makes a host whose programs have a terminal, but some streams of which lead elsewhere. */
function terminal(redirection: string, output: string): Host {
  return withTerminal((program) => `exec ${program} ${redirection.replace("$OUT", output)}`);
}

/** Finds `enter` below the program that made the terminal. */
function findEnter(pid: number): number | undefined {
  for (const child of childrenOf(pid)) {
    if (child.argv[0]?.endsWith("/enter")) return child.pid;
    const below = findEnter(child.pid);
    if (below !== undefined) return below;
  }
  return undefined;
}

for (const [what, redirection, streams] of REDIRECTIONS) {
  scenario(`a command never has the caller's terminal: ${what}`, {
    flavor: "either",
    needs: [SCRIPT],
  }, async (stage) => {
    await using pod = await stage.pod({ app: { exec: UP } });
    await startUp(pod);
    const host = terminal(redirection, `${stage.dir}/output`);
    const program = pod.startEnter("app", ["/bin/sleep", "100"], { host, keepsStdin: true });
    let enter = 0;
    let command = 0;
    await eventually("the command", () => {
      enter = findEnter(program.pid) ?? 0;
      // The process that has prepared the command may still be there, but with other arguments.
      const isCommand = (argv: string[]) => argv.includes("100") && argv.length === 2;
      command = childrenOf(enter).find(({ argv }) => isCommand(argv))?.pid ?? 0;
      return command !== 0;
    });
    // Until `enter` waits, it has the command's terminal beside its caller's.
    await eventually("no terminal in common", () => {
      const callers = terminalsOf(enter);
      assert(callers.length > 0, "the caller has a terminal");
      return !terminalsOf(command).some((file) => callers.includes(file));
    });
    for (const stream of streams) {
      assertMatch(Deno.readLinkSync(`/proc/${command}/fd/${stream}`), /^\/dev\/pts\/\d+/);
    }
    assertEquals(sessionOf(command), command);
    Deno.kill(command, "SIGKILL");
    await program.result;
  });
}

// The caller's keys.

/** Returns the fields of an app whose filter allows calls for keys. */
function withKeys({ app }: Stance): Partial<App> {
  const all = { name: "os/linux/seccomp-retain-set", value: { set: ["@appc.io/all"] } };
  const others = (app.isolators ?? []).filter(({ name }) => !name.includes("seccomp"));
  return { ...app, isolators: [...others, all] };
}

for (const stance of [RESTRICTED, BY_DEFAULT, AS_USER, WITH_PRIVATE_USERS]) {
  const options = { flavor: stance.flavor, needs: COMPILER };
  scenario(`the caller's keys are not the pod's, ${stance.what}`, options, async (stage) => {
    const image = await hostileImage(stage);
    const { secret } = await layBait(stage.dir);
    const giver = await keyGiver();
    const host: Host = { wrap: (argv) => [giver, secret, ...argv] };
    const tries = [HOSTILE, "read_key"] as [string, ...string[]];
    const handlers = [{ name: "pre-start", exec: tries }];
    const exec = ["/bin/sh", "-c", `${HOSTILE} read_key; echo up; exec sleep 100`];
    await using pod = await stage.pod({
      image,
      app: { ...withKeys(stance), exec, eventHandlers: handlers },
      ...stance.privateUsers ? { privateUsers: stance.privateUsers } : {},
    });
    await startUp(pod, 1, { host });
    assertEquals(spoilsOf(pod, "loot"), undefined, "the app or its handler has the key");
    const { stdout } = await pod.enter("app", tries, { host });
    assertEquals(stdout, "tried\n");
    assertEquals(spoilsOf(pod, "loot"), undefined, "the command has the key");
  });
}
