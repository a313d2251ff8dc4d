/**
 * Tests on other hosts than this machine: virtual machines boot for the first test of a file that
 * runs, and work through all tests of the file.
 *
 * @module
 */

import type { Flavor } from "../src/stage1/flavor.ts";
import { must, type Result } from "./host.ts";
import { type Need, scenario, type Stage } from "./scenario.ts";
import type { App } from "./stage0.ts";
import {
  bootMachine,
  type Case,
  type Machine,
  machineBusybox,
  machineNeeds,
  type Security,
} from "./virtual_machine.ts";

/** The pod of a test, and what the machine does with it. */
export interface MachineTest {
  /** The script of the pod's app. */
  script: string;
  /** Fields of the pod's `app` section. */
  app?: Partial<App>;
  /** Programs of this machine's that the app has, with their libraries, by absolute path. */
  programs?: readonly string[];
  /**
   * Shell lines that use the functions of `virtual_machine/stage0.sh`; by default, they run the
   * pod.
   */
  commands?: string;
}

/** Declares a test. In its results, `UUID` replaces the pod's. */
export type MachineScenario = (
  name: string,
  test: MachineTest,
  check: (result: Result) => void,
) => void;

/** Milliseconds for all tests of a file, as emulating a machine is slow. */
const PATIENCE = 600_000;

/** A virtual machine, and the security policy that it enforces, if any. */
export interface MachinePlan {
  machine: Machine;
  security?: Security;
  /** The flavor of the image; by default, `host`. */
  flavor?: Flavor;
  /** What the tests need beside the machine. */
  needs?: readonly Need[];
  /** Adds to the image of the pods, which is this directory. */
  furnish?: (image: string) => Promise<void>;
}

/** Plans machines for the tests of a file, and returns the function that declares them. */
export function planMachine(plan: MachinePlan): MachineScenario {
  const { machine, flavor = "host" } = plan;
  const options = {
    flavor,
    needs: [...machineNeeds(machine), ...plan.needs ?? []],
    stage1: machine.stage1[flavor],
    patience: PATIENCE,
  };
  const tests: MachineTest[] = [];
  let results: Promise<Result[]> | undefined;
  return (name, test, check) => {
    const number = tests.push(test) - 1;
    const run = async (stage: Stage) => {
      results ??= runTests(stage, tests, plan);
      check((await results)[number]!);
    };
    scenario(name, options, run);
  };
}

async function runTests(
  { dir, image: makeImage, script }: Stage,
  tests: MachineTest[],
  { machine, security, furnish }: MachinePlan,
): Promise<Result[]> {
  await using pods = new AsyncDisposableStack();
  const cases: Case[] = [];
  const image = await makeImage({ busybox: machineBusybox(machine) });
  await furnish?.(image);
  for (const { script: text, app = {}, programs = [], commands = "run" } of tests) {
    const pod = pods.use(await script(text, { app, image, overlay: false }));
    for (const program of programs) await copyWithLibraries(program, pod.appRootfs());
    cases.push({ pod, commands });
  }
  const results = await shareOut(cases, async (share, name) => {
    const own = `${dir}/${name}`;
    await Deno.mkdir(own);
    return await bootMachine(share, { machine, dir: own, security });
  });
  return results.map((result, number) => withoutUuid(result, cases[number]!.pod.uuid));
}

/** Each at its own path, where the program's loader looks for it. */
async function copyWithLibraries(program: string, root: string): Promise<void> {
  const libraries = (await must(["ldd", program])).match(/\/\S+/g) ?? [];
  await must(["cp", "--parents", "--dereference", program, ...libraries, root]);
}

/** Divides the cases among as many machines as this one has processors, but at most two. */
async function shareOut(
  cases: Case[],
  boot: (share: Case[], name: string) => Promise<Result[]>,
): Promise<Result[]> {
  const count = Math.min(2, navigator.hardwareConcurrency, cases.length);
  const shares = Array.from(
    { length: count },
    (_, i) => boot(cases.filter((_, number) => number % count === i), `machine-${i}`),
  );
  // All machines have ended before the first error is thrown.
  await Promise.allSettled(shares);
  const results = await Promise.all(shares);
  return cases.map((_, number) => results[number % count]![Math.floor(number / count)]!);
}

function withoutUuid({ stdout, stderr, ...rest }: Result, uuid: string): Result {
  const hide = (text: string) => text.replaceAll(uuid, "UUID");
  return { ...rest, stdout: hide(stdout), stderr: hide(stderr) };
}
