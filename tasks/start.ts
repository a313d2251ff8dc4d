/**
 * `deno task start`: a first look. Builds and verifies the images, then lets each run a pod.
 *
 * @module
 */

import { which } from "../tests/host.ts";
import { buildImages, runCommand } from "./build_image.ts";
import type { CommandLine } from "./command_line.ts";
import { paint, say, taskCommand } from "./console.ts";
import { IMAGES, ROOT } from "./project.ts";
import { runTask } from "./run_task.ts";
import { signWithDevelopmentKey } from "./sign.ts";
import { BUILD_VARIABLES } from "./variables.ts";
import { verifyImage } from "./verify.ts";

const COMMAND = {
  name: "start",
  purpose:
    "Builds, signs and verifies the stage1 images, then runs a pod with each. It takes root.",
  options: {},
  variables: BUILD_VARIABLES,
} satisfies CommandLine;

async function main(): Promise<number> {
  if (Deno.uid() !== 0) throw new Error("only root may mount the file systems of its pods");
  say(paint("bold", "Building the stage1 images"));
  const images = await buildImages();
  for (const { path } of images) await signWithDevelopmentKey(path);
  say();
  say(paint("bold", "Verifying them"));
  for (const { path } of images) await verifyImage(path, { toleratesOthers: true });
  say();
  const code = await runDemo();
  if (code !== 0) return code;
  tellNext(IMAGES.isolated);
  return 0;
}

/** Ends with what to do next: the last line is a pod of the user's own. */
function tellNext(image: string): void {
  say(`What each entrypoint may do, and why:  ${taskCommand("explain --permissions")}`);
  say(`All tests, in about ten minutes:       npm test`);
  say(`How to run pods:                       docs/operating.md`);
  say(`Pods whose apps come and go:           docs/sandbox.md`);
  if (which("rkt") === undefined) {
    say("rkt is not on PATH. Its releases are at https://github.com/rkt/rkt/releases");
  }
  say(`A pod of your own, of the image APP.aci:`);
  say(`  ${runCommand(image, "--net=none")}`);
}

/** Runs the pods in a mount namespace of their own, so that no mount of theirs stays behind. */
async function runDemo(): Promise<number> {
  const demo = [Deno.execPath(), "run", "--allow-all", "tasks/demo.ts"];
  const args = ["--mount", "--propagation", "private", ...demo];
  const { code } = await new Deno.Command("unshare", { args, cwd: ROOT }).spawn().status;
  return code;
}

if (import.meta.main) await runTask(COMMAND, main);
