/**
 * `deno task bench`: measures the images and their entrypoints. It prints figures, and fails for
 * none.
 *
 * @module
 */

import { which } from "../tests/host.ts";
import type { BenchOptions } from "./bench/context.ts";
import { buildImages } from "./build_image.ts";
import type { Arguments, CommandLine } from "./command_line.ts";
import { count, existingDirectory, existingFile } from "./option.ts";
import { ROOT } from "./project.ts";
import { runTask } from "./run_task.ts";
import { BUILD_VARIABLES, readVariable } from "./variables.ts";

const COMMAND = {
  name: "bench",
  purpose: `Measures sizes, each entrypoint's start-up against an empty compiled program, and, for
    root, pods: their imports and runs under rkt, runs without rkt against runc, first starts with
    nothing of the image in the page cache, and the memory of a pod that waits. All times are taken
    in turn, and the medians end up in one table. Whatever is missing here is named there.`,
  options: {
    rounds: count({
      meaning: "how often each command is timed, or slow ones at a fourth of that",
      fallback: 30,
      most: 10_000,
    }),
    before: existingDirectory("the images of another build, to be measured in the same rounds"),
    peer: existingFile("another stage1 image, to be compared with"),
    rkt: existingFile("the rkt program", "RKT, or the one on PATH"),
  },
  variables: [...BUILD_VARIABLES, "RKT"],
  examples: ["--rounds=100 --before=/tmp/before"],
} satisfies CommandLine;

async function main({ options }: Arguments<typeof COMMAND.options>): Promise<number> {
  const { rounds } = options;
  const rkt = options.rkt ?? readVariable("RKT") ?? which("rkt");
  const before = options.before && await Deno.realPath(options.before);
  const peer = options.peer && await Deno.realPath(options.peer);
  await buildImages();
  const directory = await Deno.makeTempDir({ prefix: "stage1-volo-bench-" });
  try {
    return await measureApart({ directory, rounds, rkt, peer, before }, options.debug);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/**
 * Runs `bench/main.ts`, for root in a mount namespace of its own: with the namespace goes whatever
 * a stage1 has left mounted in the directory, so that removing the directory is safe.
 */
async function measureApart(options: BenchOptions, debug: boolean): Promise<number> {
  const apart = Deno.uid() === 0 ? ["unshare", "--mount", "--propagation", "private"] : [];
  const deno = [Deno.execPath(), "run", "--allow-all", "tasks/bench/main.ts"];
  const [program, ...args] = [
    ...apart,
    ...deno,
    JSON.stringify(options),
    ...(debug ? ["--debug"] : []),
  ];
  return (await new Deno.Command(program!, { args, cwd: ROOT }).spawn().status).code;
}

if (import.meta.main) await runTask(COMMAND, main);
