/**
 * The soak: many pods at once, entered, stopped and collected, while processes of theirs are killed at random. Nothing may
 * be left of them.
 *
 * It needs a host that it may do anything to: see {@linkcode privateHost}.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { existsSync } from "node:fs";
import { must } from "./host.ts";
import { makeImage } from "./images.ts";
import { ISOLATED_STAGE1, STAGE1 } from "./scenario.ts";
import { compareHosts, findPodCgroups, readHost } from "./soak/leftovers.ts";
import { liveThrough, type Outcome, type Site } from "./soak/life.ts";
import { planSoak, type PodPlan } from "./soak/plan.ts";
import { Stage0 } from "./stage0.ts";

/** Where rkt may have plugins of its own, which come before those of the host: old ones leave much when they are killed. */
const RKTS_PLUGINS = "/usr/lib/rkt/plugins";

const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** How a soak is asked for. */
export interface SoakArguments {
  pods: number;
  /** How many of them live at the same time. */
  atOnce: number;
  seed: number;
  /** Whether there are pods with networks, which needs plugins and iptables. */
  networks: boolean;
}

/**
 * The command line of a soak on a host of its own: mounts, network and processes are not the machine's, so that
 * all that is there can be told. It is to have `TMPDIR` and `STAGE1_CACHE`.
 */
export function soakCommand({ pods, atOnce, seed, networks }: SoakArguments): string[] {
  return [
    "unshare",
    ...["--mount", "--propagation", "private", "--net"],
    ...["--pid", "--fork", "--kill-child", "--mount-proc"],
    // The first process of the namespace has to reap orphans, which Deno does not.
    ...["sh", "-c", '"$@"; exit $?', "soak"],
    ...[
      Deno.execPath(),
      "run",
      "--allow-all",
      "--quiet",
      `--config=${CONFIG}`,
      import.meta.filename!,
    ],
    ...[`--pods=${pods}`, `--at-once=${atOnce}`, `--seed=${seed}`],
    ...(networks ? ["--networks"] : []),
  ];
}

/** The private host has its own places for what is not in a pod's directory. */
async function prepareHost(networks: boolean): Promise<void> {
  for (const directory of ["/run", "/var/lib", RKTS_PLUGINS]) {
    if (existsSync(directory)) await must(["mount", "-t", "tmpfs", "tmpfs", directory]);
  }
  if (networks) await must(["ip", "link", "set", "lo", "up"]);
}

async function soak({ pods, atOnce, seed, networks }: SoakArguments): Promise<Outcome[]> {
  const cache = Deno.env.get("STAGE1_CACHE")!;
  const directory = await Deno.makeTempDir({ prefix: "soak-" });
  await using isolated = await Stage0.open({ stage1: ISOLATED_STAGE1, cache, net: "none" });
  await using host = await Stage0.open({ stage1: STAGE1, cache });
  const site = { stage0: { isolated, host }, app: await makeImage(`${directory}/image`) };
  // What one pod leaves on purpose for the next is there before all others.
  for (const image of ["isolated", "host"] as const) {
    await liveThrough(firstPod(image, networks), site);
  }
  const before = await readHost();
  const outcomes = await runAll(planSoak({ pods, seed, networks }), atOnce, site);
  const cgroups = findPodCgroups(outcomes.map(({ uuid }) => uuid));
  const left = [...compareHosts(before, await readHost()), ...cgroups];
  for (const line of left) console.log(`the host: ${line}`);
  await Deno.remove(directory, { recursive: true });
  Deno.exitCode = left.length === 0 && outcomes.every(({ faults }) => faults.length === 0) ? 0 : 1;
  return outcomes;
}

function firstPod(image: PodPlan["image"], networks: boolean): PodPlan {
  const joinsNetwork = image === "isolated" && networks;
  return {
    number: 0,
    image,
    net: joinsNetwork ? "default" : "host",
    hasPort: joinsNetwork,
    apps: ["ends"],
    hasHandlers: false,
    hasLimits: false,
    enters: [],
    ending: "by itself",
    endAfter: 0,
    kills: [],
  };
}

async function runAll(plans: readonly PodPlan[], atOnce: number, site: Site): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...plans];
  const worker = async () => {
    for (let plan = waiting.shift(); plan; plan = waiting.shift()) {
      const outcome = await liveThrough(plan, site);
      outcomes.push(outcome);
      if (outcome.faults.length > 0) tellFaults(outcome);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return outcomes;
}

function tellFaults({ plan, uuid, killed, code, words, faults }: Outcome): void {
  console.log(`pod ${plan.number}, ${uuid}, killed ${killed.join(", ")}, run ended with ${code}:`);
  console.log(`  ${JSON.stringify(plan)}`);
  for (const line of [...faults, words.trimEnd()]) console.log(`  ${line}`);
}

function tellFigures(outcomes: readonly Outcome[], seconds: number): void {
  const plans = outcomes.map(({ plan }) => plan);
  const faulty = outcomes.filter(({ faults }) => faults.length > 0).length;
  console.log(`${plans.length} pods in ${seconds.toFixed(0)} s, ${faulty} with faults`);
  console.log(`images: ${count(plans.map(({ image }) => image))}`);
  console.log(`networks: ${count(plans.map(({ net }) => net))}`);
  console.log(`ports: ${plans.filter(({ hasPort }) => hasPort).length}`);
  console.log(`apps: ${count(plans.map(({ apps }) => `${apps.length}`))}`);
  console.log(`programs: ${count(plans.flatMap(({ apps }) => apps))}`);
  console.log(`handlers: ${plans.filter(({ hasHandlers }) => hasHandlers).length}`);
  console.log(`limits: ${plans.filter(({ hasLimits }) => hasLimits).length}`);
  console.log(`commands: ${plans.flatMap(({ enters }) => enters).length}`);
  console.log(`endings: ${count(plans.map(({ ending }) => ending))}`);
  console.log(`exit codes of run: ${count(outcomes.map(({ code }) => `${code}`))}`);
  console.log(`killed: ${count(outcomes.flatMap(({ killed }) => killed))}`);
}

function count(names: readonly string[]): string {
  const groups = Object.entries(Object.groupBy(names, (name) => name));
  return groups.map(([name, all]) => `${name} ${all!.length}`).join(", ");
}

if (import.meta.main) {
  const options = parseArgs(Deno.args, {
    string: ["pods", "at-once", "seed"],
    boolean: ["networks"],
  });
  const start = performance.now();
  await prepareHost(options.networks);
  const outcomes = await soak({
    pods: Number(options.pods),
    atOnce: Number(options["at-once"]),
    seed: Number(options.seed),
    networks: options.networks,
  });
  tellFigures(outcomes, (performance.now() - start) / 1000);
}
