/**
 * `deno task soak`: runs many pods at once, kills their processes and fills their disks at random,
 * and fails when anything is left of them, or an app was killed that nothing was done to.
 *
 * @module
 */

import { soakCommand } from "../tests/soak.ts";
import { buildImages } from "./build_image.ts";
import { runTask, taskArguments } from "./console.ts";
import { IMAGES, ROOT } from "./project.ts";

const USAGE = `Usage: deno task soak [--pods=N] [--at-once=N] [--seed=N] [--no-networks]

Starts, enters, stops and collects pods of all kinds on a host of their own, kills processes of
theirs and fills their disks at random, and looks for what is left, and for apps that were killed
by nobody. It has to be root's.

  --pods=N       how many pods (300)
  --at-once=N    how many of them at the same time (8)
  --seed=N       what decides which pods there are, and what is done to them (1)
  --no-networks  do without pods that are joined to networks, which need CNI plugins, ip and
                 iptables
  --debug        show where an error comes from`;

async function main(args: string[]): Promise<number> {
  const options = taskArguments(args, {
    string: ["pods", "at-once", "seed"],
    boolean: ["no-networks"],
    usage: USAGE,
  });
  await buildImages();
  const directory = await Deno.makeTempDir({ prefix: "stage1-soak-" });
  try {
    const [program, ...rest] = soakCommand({
      pods: Number(options.pods ?? 300),
      atOnce: Number(options["at-once"] ?? 8),
      seed: Number(options.seed ?? 1),
      networks: !options["no-networks"],
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

if (import.meta.main) await runTask("soak", main);
