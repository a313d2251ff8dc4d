/**
 * `deno task soak`: runs many pods at once, kills their processes and fills their disks at random,
 * and fails when anything is left of them, or an app was killed that nothing was done to.
 *
 * @module
 */

import { soakCommand } from "../tests/soak.ts";
import { buildImages } from "./build_image.ts";
import type { Arguments, CommandLine } from "./command_line.ts";
import { count, flag } from "./option.ts";
import { IMAGES, ROOT } from "./project.ts";
import { runTask } from "./run_task.ts";
import { BUILD_VARIABLES } from "./variables.ts";

const COMMAND = {
  name: "soak",
  purpose:
    `Starts, enters, stops and collects pods of all kinds on a host of their own, has apps come
    and go in others, kills processes of theirs and fills their disks at random, and looks for what
    is left, and for apps that were killed by nobody. It has to be root's.`,
  options: {
    pods: count({ meaning: "how many pods", fallback: 300, least: 0, most: 1_000_000 }),
    sandboxes: count({
      meaning: "how many pods more whose apps come and go",
      fallback: 100,
      least: 0,
      most: 1_000_000,
    }),
    changes: count({
      meaning: "how many apps come and go in one more pod, whose run may not grow",
      fallback: 100,
      least: 0,
      most: 1_000_000,
    }),
    "at-once": count({ meaning: "how many of them at the same time", fallback: 8, most: 1000 }),
    seed: count({
      meaning: "what decides which pods there are, and what is done to them",
      fallback: 1,
      least: 0,
      most: 2 ** 32 - 1,
    }),
    "no-networks": flag(
      "do without pods that are joined to networks, which need CNI plugins, ip and iptables",
    ),
  },
  variables: BUILD_VARIABLES,
  examples: ["--pods=2000 --seed=7"],
} satisfies CommandLine;

async function main({ options }: Arguments<typeof COMMAND.options>): Promise<number> {
  await buildImages();
  const directory = await Deno.makeTempDir({ prefix: "stage1-soak-" });
  try {
    const [program, ...rest] = soakCommand({
      pods: options.pods,
      sandboxes: options.sandboxes,
      changes: options.changes,
      atOnce: options["at-once"],
      seed: options.seed,
      networks: options["no-networks"] ? "none" : "some",
    });
    await Deno.mkdir(`${directory}/cache`);
    const env = {
      TMPDIR: directory,
      STAGE1_CACHE: `${directory}/cache`,
      STAGE1: IMAGES.host,
      STAGE1_ISOLATED: IMAGES.isolated,
    };
    const command = new Deno.Command(program!, { args: rest, cwd: ROOT, env, stdin: "null" });
    return (await command.spawn().status).code;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) await runTask(COMMAND, main);
