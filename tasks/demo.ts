/**
 * The pods of `deno task start`: a small app with busybox, run in both images by the tests'
 * stand-in for stage0. This program has to run in a mount namespace of its own.
 *
 * @module
 */

import { FLAVORS } from "../src/stage1/flavor.ts";
import type { Result } from "../tests/host.ts";
import { makeImage } from "../tests/images.ts";
import { type Pod, Stage0 } from "../tests/stage0.ts";
import { paint, say, step } from "./console.ts";
import { IMAGES } from "./project.ts";
import { runProgram } from "./run_task.ts";

/** The networks of the pods. Other networks need plugins, which not every machine has. */
const NET = { host: "default", isolated: "none" };
const WHERE = { host: "the host's namespaces", isolated: "namespaces of its own" };

/** The app's program: it introduces itself, then waits to be stopped. */
const SCRIPT = `
echo "hello from $AC_APP_NAME, process $$"
echo "I am $(id)"
echo "my root holds $(ls / | tr '\\n' ' ')"
exec sleep 60
`;

/** The command that `enter` runs in the app. */
const VISIT = [
  "/bin/sh",
  "-c",
  'echo "I joined it, as $(id -un), and see the same root: $(echo /*)"',
];

/** The beginning of the app's last line. */
const LAST_WORDS = "my root holds";

async function main(): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "stage1-volo-demo-" });
  try {
    const image = await makeImage(`${directory}/image`, { name: "example.com/greeter" });
    const app = { exec: ["/bin/sh", "-c", SCRIPT], user: "volo", group: "volo" };
    for (const flavor of FLAVORS) {
      await using stage0 = await Stage0.open({ stage1: IMAGES[flavor], net: NET[flavor] });
      await using pod = await stage0.prepare({ apps: [{ image, app }] });
      say(paint("bold", `Running a pod in ${WHERE[flavor]} (${pod.uuid})`));
      await live(pod);
      say();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function live(pod: Pod): Promise<void> {
  const app = await step("run", () => pod.start());
  await app.prints(LAST_WORDS);
  quote(app.stdout);
  const entered = await step("enter", () => requireSuccess("enter", pod.enter("greeter", VISIT)));
  quote(entered.stdout);
  await step("stop", () => requireSuccess("stop", pod.stop()));
  await app.result;
  await step("gc", () => requireSuccess("gc", pod.gc()));
}

async function requireSuccess(name: string, running: Promise<Result>): Promise<Result> {
  const result = await running;
  if (result.code === 0) return result;
  throw new Error(`${name} ended with ${result.code}: ${result.stderr.trim()}`);
}

function quote(text: string): void {
  for (const line of text.trimEnd().split("\n")) say(`    ${paint("dim", "│")} ${line}`);
}

if (import.meta.main) await runProgram("start", main);
