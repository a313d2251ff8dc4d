/**
 * The pods of `deno task start`: a small app of busybox, taken through its life twice by the stand-in for rkt's
 * stage0. They are to run in a mount namespace of their own.
 *
 * @module
 */

import { FLAVORS } from "../src/stage1/flavor.ts";
import type { Result } from "../tests/host.ts";
import { makeImage } from "../tests/images.ts";
import { type Pod, Stage0 } from "../tests/stage0.ts";
import { paint, runTask, say, step } from "./console.ts";
import { IMAGES } from "./project.ts";

/** What differs between the pods. Networks take plugins, which not every machine has. */
const NET = { host: "default", isolated: "none" };
const WHERE = { host: "the host's namespaces", isolated: "namespaces of its own" };

/** What the app does: it introduces itself, then it waits to be stopped. */
const SCRIPT = `
echo "hello from $AC_APP_NAME, process $$"
echo "I am $(id)"
echo "my root holds $(ls / | tr '\\n' ' ')"
exec sleep 60
`;

/** What is run in the app by `enter`. */
const VISIT = [
  "/bin/sh",
  "-c",
  'echo "I joined it, as $(id -un), and see the same root: $(echo /*)"',
];

/** The last thing that the app prints begins so. */
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

if (import.meta.main) await runTask("start", main);
