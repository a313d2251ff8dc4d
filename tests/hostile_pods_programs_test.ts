/**
 * Tests of hostile pods: the programs of stage1. A process that an app can reach, now or later,
 * never executes one of them in such a way that the app could change it or make it useless.
 */

import { assertEquals } from "@std/assert";
import { assertCode, assertPrints } from "./expect.ts";
import { must } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage, loaderProgram } from "./hostile_pods/attackers.ts";
import {
  AS_USER,
  BY_DEFAULT,
  RESTRICTED,
  type Stance,
  WITH_PRIVATE_USERS,
  withCapability,
} from "./hostile_pods/stances.ts";
import { startUp } from "./pod_processes.ts";
import { ISOLATED_STAGE1, scenario, type Stage, STAGE1 } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";
import { openTree } from "./stage0/tree.ts";

/** How many commands are tried while the attacker waits for a process. */
const TRIES = 8;

/** How many milliseconds each command may take: the attacker may stop it. */
const PATIENCE = 1_500;

/**
 * A script whose interpreter is the program of the process that executes it; and in a directory
 * before it, one that cannot be executed, so that the process looks for the first once more.
 */
const EXECUTES_ITSELF = {
  "/evil": { text: "#!/proc/self/exe\n", mode: 0o755 },
  "/first/evil": { text: "#!/nowhere\n", mode: 0o755 },
};

/** By which path, or in which directories, the script is found. */
const COMMANDS = ["/evil", "evil"];
const PATH = { name: "PATH", value: "/first:/:/bin" };

/**
 * Lists the files of a stage1 that an action has changed, in the pod's tree and in the tree that
 * all pods share.
 */
async function changedBy(act: () => Promise<unknown>, pod: Pod, image: string): Promise<string[]> {
  const { rootfs } = await openTree(image, Deno.env.get("STAGE1_CACHE")!);
  const before = await describeStage1(pod, rootfs);
  await act();
  const after = await describeStage1(pod, rootfs);
  const changed = before.filter((file) => !after.includes(file));
  // The next test must not get the changed tree.
  if (changed.length > 0) await Deno.remove(rootfs.replace(/\/rootfs$/, ""), { recursive: true });
  return changed;
}

async function describeStage1(pod: Pod, shared: string): Promise<string[]> {
  const list = async (root: string) => {
    const apart = ["-path", `${root}/opt`, "-prune", "-o", "-path", `${root}/rkt`, "-prune", "-o"];
    const found = await must(["find", root, ...apart, "-type", "f", "-printf", "%p %m %s %C@\n"]);
    return found.trim().split("\n");
  };
  return [...await list(pod.stage1Rootfs), ...await list(shared)];
}

async function enterFor(pod: Pod, command: string, milliseconds: number): Promise<void> {
  const program = pod.startEnter("app", [command]);
  const patience = setTimeout(() => program.kill("SIGKILL"), milliseconds);
  await program.result;
  clearTimeout(patience);
}

/** Lets the attacker try the programs of a pod's processes, and then ends the pod as usual. */
async function attack(
  stage: Stage,
  { app, privateUsers }: Stance,
  stage1: string,
): Promise<void> {
  const image = await hostileImage(stage, { files: EXECUTES_ITSELF });
  await using pod = await stage.pod({
    image,
    app: { ...app, environment: [PATH], exec: [HOSTILE, "spoil", "/evil"] },
    ...privateUsers ? { privateUsers } : {},
  });
  let program: Program | undefined;
  const changed = await changedBy(
    async () => {
      program = await startUp(pod);
      for (let attempt = 0; attempt < TRIES; attempt++) {
        await enterFor(pod, COMMANDS[attempt % COMMANDS.length]!, PATIENCE);
      }
    },
    pod,
    stage1,
  );
  assertEquals(changed, []);
  assertPrints(await pod.enter("app", ["/bin/echo", "entered"]), "entered\n");
  assertCode(await pod.stop({ force: true }), 0);
  await program!.result;
  assertCode(await pod.gc(), 0);
}

scenario(
  `stage1's programs stay as they are, ${RESTRICTED.what}`,
  { needs: COMPILER },
  (stage) => attack(stage, RESTRICTED, STAGE1),
);
for (const stance of [BY_DEFAULT, AS_USER, WITH_PRIVATE_USERS, withCapability("CAP_SYS_PTRACE")]) {
  scenario(
    `stage1's programs stay as they are, ${stance.what}`,
    { flavor: "isolated", needs: COMPILER },
    (stage) => attack(stage, stance, ISOLATED_STAGE1),
  );
}

/** The paths that the programs of stage1 name as their loader. */
const LOADERS = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

scenario(
  "an app that is run's own program does not get at it",
  { needs: COMPILER },
  async (stage) => {
    const image = await hostileImage(stage, { files: EXECUTES_ITSELF });
    const loader = await loaderProgram();
    for (const path of LOADERS) {
      const target = `${image}/rootfs${path}`;
      await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
      await Deno.copyFile(loader, target);
    }
    for (const names of [["app"], ["app", "other"]]) {
      const apps = names.map((name) => ({
        image,
        name,
        app: { ...RESTRICTED.app, exec: ["/evil"] },
      }));
      await using pod = await stage.stage0.prepare({ apps });
      assertEquals(await changedBy(() => pod.run(), pod, STAGE1), []);
    }
  },
);
