/**
 * `deno task start`: a first look. Builds and verifies the images, then lets each run a pod.
 *
 * @module
 */

import { buildImages } from "./build_image.ts";
import type { CommandLine } from "./command_line.ts";
import { paint, say, taskCommand } from "./console.ts";
import { ROOT } from "./project.ts";
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
  say(paint("bold", "Building the stage1 images"));
  const images = await buildImages();
  for (const { path } of images) await signWithDevelopmentKey(path);
  say();
  say(paint("bold", "Verifying them"));
  for (const { path } of images) await verifyImage(path);
  say();
  const code = await runDemo();
  if (code !== 0) return code;
  say();
  say(`What each entrypoint may do, and why:  ${taskCommand("explain --permissions")}`);
  say(`All tests, also of the whole system:   ${taskCommand("test")}`);
  return 0;
}

/** Runs the pods in a mount namespace of their own, so that no mount of theirs stays behind. */
async function runDemo(): Promise<number> {
  if (Deno.uid() !== 0) throw new Error("running a pod: only root may mount its file systems");
  const demo = [Deno.execPath(), "run", "--allow-all", "tasks/demo.ts"];
  const args = ["--mount", "--propagation", "private", ...demo];
  const { code } = await new Deno.Command("unshare", { args, cwd: ROOT }).spawn().status;
  return code;
}

if (import.meta.main) await runTask(COMMAND, main);
