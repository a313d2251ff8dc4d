/**
 * Tests on a host that this machine is not: a virtual one boots for the first test of a file that is run,
 * and works through all of them.
 *
 * @module
 */

import type { Result } from "./host.ts";
import { type isolatedScenario, scenario, type Stage } from "./scenario.ts";
import type { App } from "./stage0.ts";
import { bootMachine, type Case, MACHINE_NEEDS, type Security } from "./virtual_machine.ts";

/** What a test does in the machine, and with which pod. */
export interface MachineTest {
  /** The script of the pod's app. */
  script: string;
  /** Fields of the pod's `app` section. */
  app?: Partial<App>;
  /** What is done with the pod, in the words of `virtual_machine/stage0.sh`; by default, it is run. */
  commands?: string;
}

/** Declares a test; in what comes of it, `UUID` stands for the pod's. */
export type MachineScenario = (
  name: string,
  test: MachineTest,
  check: (result: Result) => void,
) => void;

/** In milliseconds: emulating a machine takes long. */
const PATIENCE = 600_000;

/** Plans a machine for the tests of a file: pods in the host's namespaces, or with their own. */
export function planMachine(
  security: Security,
  declare: typeof scenario | typeof isolatedScenario = scenario,
): MachineScenario {
  const tests: MachineTest[] = [];
  let results: Promise<Result[]> | undefined;
  return (name, test, check) => {
    const number = tests.push(test) - 1;
    const run = async (stage: Stage) => {
      results ??= runTests(stage, tests, security);
      check((await results)[number]!);
    };
    declare(name, run, MACHINE_NEEDS, { patience: PATIENCE });
  };
}

async function runTests(
  { dir, script }: Stage,
  tests: MachineTest[],
  security: Security,
): Promise<Result[]> {
  await using pods = new AsyncDisposableStack();
  const cases: Case[] = [];
  for (const { script: text, app = {}, commands = "run" } of tests) {
    cases.push({ pod: pods.use(await script(text, { app, overlay: false })), commands });
  }
  const results = await bootMachine(cases, { dir, security });
  return results.map((result, number) => withoutUuid(result, cases[number]!.pod.uuid));
}

function withoutUuid({ stdout, stderr, ...rest }: Result, uuid: string): Result {
  const hide = (text: string) => text.replaceAll(uuid, "UUID");
  return { ...rest, stdout: hide(stdout), stderr: hide(stderr) };
}
