/**
 * Tests of hostile pods: how a process begins. `run` and `enter` walk every path that an app names,
 * for itself or its handlers, only when no descriptor leads to the host.
 */

import { assert, assertEquals } from "@std/assert";
import { assertRefused } from "./expect.ts";
import { execute, must } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage, hostProgram } from "./hostile_pods/attackers.ts";
import { type Bait, layBait, spoilsOf } from "./hostile_pods/bait.ts";
import { watchDescriptors } from "./hostile_pods/descriptors.ts";
import {
  AS_USER,
  BY_DEFAULT,
  RESTRICTED,
  type Stance,
  WITH_PRIVATE_USERS,
} from "./hostile_pods/stances.ts";
import type { FileSpec } from "./images.ts";
import { startUp } from "./pod_processes.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { App, Pod } from "./stage0.ts";

const UP = ["/bin/sh", "-c", "echo up; exec sleep 100"];

/** Leads from any directory of the host to the host's root. */
const CLIMB = "/..".repeat(11);

/** Declares a test for each stance; the one in the host's namespaces is a restricted app. */
function hostileScenario(
  name: string,
  test: (stage: Stage, stance: Stance) => Promise<void>,
  stances: Stance[] = [BY_DEFAULT],
): void {
  for (const stance of [RESTRICTED, ...stances]) {
    const options = { flavor: stance.flavor, needs: COMPILER };
    scenario(`${name}, ${stance.what}`, options, (stage) => test(stage, stance));
  }
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Composes a pod whose apps have one image. */
async function compose(
  { stage0 }: Stage,
  { app, ...stance }: Stance,
  image: string,
  apps: Record<string, Partial<App>>,
): Promise<Pod> {
  const entries = Object.entries(apps).map(([name, fields]) => ({
    image,
    name,
    app: { ...app, ...fields },
  }));
  const { privateUsers } = stance;
  return await stage0.prepare({ apps: entries, ...privateUsers ? { privateUsers } : {} });
}

/**
 * Watches how `run` starts a pod, and returns the numbers of its descriptors that lead to the host,
 * the highest first.
 */
async function numbersOfRun(
  stage: Stage,
  stance: Stance,
  image: string,
  fields: Partial<App> = {},
): Promise<number[]> {
  const numbers = new Set<number>();
  for (let start = 0; start < STARTS; start++) {
    await using pod = await compose(stage, stance, image, {
      app: { ...fields, exec: UP },
      other: { exec: UP },
    });
    for (const number of await watchDescriptors(pod, 2)) numbers.add(number);
  }
  assert(numbers.size > 0, "not even the lock was seen");
  // Descriptors that are open only while a process begins have high numbers.
  return [...numbers].sort((one, other) => other - one).slice(0, MOST_NUMBERS);
}

/** How many starts are watched: one may miss what is open only for a moment. */
const STARTS = 2;
/** How many of the numbers are tried. */
const MOST_NUMBERS = 24;

// Where a process begins.

/** Composes a pod whose first app exchanges the second one's working directory. */
async function exchangedDirectory(
  { dir, stage0 }: Stage,
  { app, privateUsers }: Stance,
  image: string,
  { path }: Bait,
  target: string,
): Promise<Pod> {
  const shared = `${dir}/shared`;
  await Deno.remove(shared, { recursive: true }).catch(() => {});
  await Deno.mkdir(shared);
  await Deno.chmod(shared, 0o777);
  const mounts = [{ volume: "shared", path: "/shared" }];
  const workingDirectory = "/shared/work";
  await Deno.mkdir(`${shared}/work`);
  return await stage0.prepare({
    apps: [
      {
        image,
        name: "a",
        mounts,
        app: { ...app, exec: [HOSTILE, "exchange_late", "/shared", target] },
      },
      {
        image,
        name: "b",
        mounts,
        app: { ...app, exec: [HOSTILE, "reach", path], workingDirectory },
      },
    ],
    volumes: [{ name: "shared", kind: "host", source: shared }],
    ...privateUsers ? { privateUsers } : {},
  });
}

hostileScenario(
  "a working directory that is exchanged is in the app's root or nowhere",
  async (stage, stance) => {
    const image = await hostileImage(stage);
    const bait = await layBait(stage.dir);
    const [highest] = await numbersOfRun(stage, stance, image);
    for (const number of range(highest! - 10, highest! + 1)) {
      const target = `/proc/self/fd/${number}${CLIMB}`;
      await using pod = await exchangedDirectory(stage, stance, image, bait, target);
      const program = await pod.launch();
      const patience = setTimeout(() => program.kill("SIGKILL"), 5_000);
      await Promise.race([program.result, program.prints("tried").catch(() => {})]);
      clearTimeout(patience);
      bait.assertUntouched(pod, "a", "b");
    }
  },
  [BY_DEFAULT, AS_USER, WITH_PRIVATE_USERS],
);

scenario("no app begins in a directory of run's", { needs: COMPILER }, async (stage) => {
  const image = await hostileImage(stage);
  const bait = await layBait(stage.dir);
  for (const number of range(3, 20)) {
    const app = number % 2 === 0 ? RESTRICTED.app : {};
    const workingDirectory = `/proc/self/fd/${number}`;
    const exec = [HOSTILE, "reach", bait.path];
    await using pod = await stage.pod({ image, app: { ...app, exec, workingDirectory } });
    const result = await pod.run();
    bait.assertUntouched(pod);
    assertRefused(result, "run", /workingDirectory/);
  }
});

// What a process executes.

/** A program of the host that must not run in a pod, though programs of the app name it. */
interface Lure {
  /** The program's path on the host. */
  program: string;
  /** Asserts that the program never ran in the pod, and was not changed. */
  assertIdle(pod: Pod, numbers: string): Promise<void>;
}

async function layLure({ dir }: Stage): Promise<Lure> {
  await layBait(dir);
  const source = await hostProgram();
  const program = `${dir}/program`;
  await Deno.copyFile(source, program);
  return {
    program,
    async assertIdle(pod, what) {
      assertEquals(spoilsOf(pod, "host-program-ran"), undefined, `the host's program ran: ${what}`);
      assertEquals((await execute(["cmp", source, program])).code, 0, "it was changed");
    },
  };
}

function throughDescriptor(number: number, { program }: Lure): string {
  return `/proc/self/fd/${number}${CLIMB}${program}`;
}

/** Makes scripts, one for each number, whose interpreter is the host's program. */
function scripts(numbers: number[], lure: Lure): Record<string, FileSpec> {
  return Object.fromEntries(numbers.map((number): [string, FileSpec] => [
    `/scripts/${number}`,
    { text: `#!${throughDescriptor(number, lure)}\n`, mode: 0o755 },
  ]));
}

/** Room for a number in the path of a dynamically linked program's loader. */
const PLACEHOLDER = "/proc/self/fd/////////";

/** Adds programs to an image, one for each number, whose loader is the host's program. */
async function placeLinked(image: string, numbers: number[], lure: Lure, dir: string) {
  const source = `${dir}/linked.c`;
  const built = `${dir}/linked`;
  await Deno.writeTextFile(source, "int main(void) { return 0; }\n");
  const loader = `${PLACEHOLDER}${CLIMB}${lure.program}`;
  await must(["gcc", "-o", built, `-Wl,--dynamic-linker=${loader}`, source]);
  const program = await Deno.readFile(built);
  const at = new TextDecoder("latin1").decode(program).indexOf(PLACEHOLDER);
  assert(at > 0, "the path of the loader is in the program");
  await Deno.mkdir(`${image}/rootfs/linked`);
  for (const number of numbers) {
    const copy = program.slice();
    const path = `/proc/self/fd/${number}`.padEnd(PLACEHOLDER.length, "/");
    copy.set(new TextEncoder().encode(path), at);
    await Deno.writeFile(`${image}/rootfs/linked/${number}`, copy, { mode: 0o755 });
  }
}

/** The fields by which an app names a program, and the stances to try each with. */
const FORMS: [what: string, fields: (exec: [string]) => Partial<App>, stances: Stance[]][] = [
  ["the program", (exec) => ({ exec }), [BY_DEFAULT, AS_USER, WITH_PRIVATE_USERS]],
  [
    "a handler",
    (exec) => ({ eventHandlers: [{ name: "pre-start", exec }], exec: ["/bin/true"] }),
    [BY_DEFAULT],
  ],
];

for (const [what, fields, stances] of FORMS) {
  hostileScenario(`a script as ${what} is not run by the host's`, async (stage, stance) => {
    const lure = await layLure(stage);
    const image = await hostileImage(stage, { files: scripts(range(3, 99), lure) });
    for (const number of await numbersOfRun(stage, stance, image, fields(["/bin/true"]))) {
      await using pod = await compose(stage, stance, image, {
        app: fields([`/scripts/${number}`]),
        other: { exec: ["/bin/true"] },
      });
      await pod.run();
      await lure.assertIdle(pod, `${number}`);
    }
  }, stances);
}

hostileScenario("a program is not loaded by the host's", async (stage, stance) => {
  const lure = await layLure(stage);
  const image = await hostileImage(stage);
  const numbers = await numbersOfRun(stage, stance, image);
  await placeLinked(image, numbers, lure, stage.dir);
  for (const number of numbers) {
    await using pod = await compose(stage, stance, image, {
      app: { exec: [`/linked/${number}`] },
      other: { exec: ["/bin/true"] },
    });
    await pod.run();
    await lure.assertIdle(pod, `${number}`);
  }
});

hostileScenario("a command is not run by the host's", async (stage, stance) => {
  const lure = await layLure(stage);
  const numbers = range(3, 40);
  const image = await hostileImage(stage, { files: scripts(numbers, lure) });
  await using pod = await compose(stage, stance, image, { app: { exec: UP } });
  await startUp(pod);
  for (const number of numbers) {
    await pod.enter("app", [`/scripts/${number}`]);
    await lure.assertIdle(pod, `${number}`);
  }
});

// Descriptors that a process has.

hostileScenario("an app has no descriptor that leads to the host", async (stage, stance) => {
  const bait = await layBait(stage.dir);
  const image = await hostileImage(stage);
  const exec = ["/bin/sh", "-c", `${HOSTILE} reach ${bait.path}; echo up; exec sleep 100`];
  await using pod = await compose(stage, stance, image, { app: { exec } });
  await startUp(pod);
  bait.assertUntouched(pod);
  const command = await pod.enter("app", [HOSTILE, "reach", bait.path]);
  assertEquals(command.stdout, "tried\n");
  bait.assertUntouched(pod);
}, [BY_DEFAULT, AS_USER, WITH_PRIVATE_USERS]);
