/**
 * The soak: runs, enters, stops and collects many pods at once, while it kills processes of theirs
 * and fills their disks at random; of others, apps come and go. Nothing may be left of them, and no
 * app may be killed that nothing was done to.
 *
 * The soak may do anything to its host, so it needs one of its own: see {@linkcode soakCommand}.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { existsSync } from "node:fs";
import { must } from "./host.ts";
import { makeImage } from "./images.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { ISOLATED_STAGE1, STAGE1 } from "./scenario.ts";
import { changeOften, growthOf } from "./soak/changes.ts";
import { compareHosts, readHost } from "./soak/leftovers.ts";
import { liveThrough, type Outcome, type Site } from "./soak/life.ts";
import { planSoak, type PodPlan, type SoakNetworks } from "./soak/plan.ts";
import { liveThroughSandbox, type SandboxOutcome, type SandboxSite } from "./soak/sandbox_life.ts";
import { planSandboxes } from "./soak/sandbox_plan.ts";
import { Stage0 } from "./stage0.ts";

/**
 * The directory of rkt's own plugins, which would be found before the host's. Old plugins leave
 * much when they are killed.
 */
const RKTS_PLUGINS = "/usr/lib/rkt/plugins";

const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** The size and the seed of a soak. */
export interface SoakArguments {
  pods: number;
  /** How many pods have apps that come and go. */
  sandboxes: number;
  /** How many apps come and go in one more pod, whose `run` may not need more and more. */
  changes: number;
  /** How many pods live at the same time. */
  atOnce: number;
  seed: number;
  /** How many pods have networks, which need plugins and iptables. */
  networks: SoakNetworks;
}

/**
 * Returns the command line of a soak on a host of its own, whose mounts, network and processes are
 * not the machine's, so that everything left there can be found. The command needs the variables
 * `TMPDIR` and `STAGE1_CACHE`.
 */
export function soakCommand(
  { pods, sandboxes, changes, atOnce, seed, networks }: SoakArguments,
): string[] {
  return [
    "unshare",
    ...["--mount", "--propagation", "private", "--net"],
    ...["--pid", "--fork", "--kill-child", "--mount-proc"],
    // The namespace's first process has to reap orphans, which Deno does not do.
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
    ...[`--networks=${networks}`, `--sandboxes=${sandboxes}`, `--changes=${changes}`],
  ];
}

/** Mounts empty file systems where pods leave files outside of their directories. */
async function prepareHost(networks: SoakNetworks): Promise<void> {
  for (const directory of ["/run", "/var/lib", RKTS_PLUGINS]) {
    if (existsSync(directory)) await must(["mount", "-t", "tmpfs", "tmpfs", directory]);
  }
  if (networks !== "none") await must(["ip", "link", "set", "lo", "up"]);
}

/** What a soak has found. */
interface Found {
  outcomes: Outcome[];
  sandboxes: SandboxOutcome[];
}

async function soak(
  { pods, sandboxes, changes, atOnce, seed, networks }: SoakArguments,
): Promise<Found> {
  const cache = Deno.env.get("STAGE1_CACHE")!;
  const directory = await Deno.makeTempDir({ prefix: "soak-" });
  await using isolated = await openStage0("isolated", cache);
  await using host = await openStage0("host", cache);
  const site: Site = {
    stage0: { isolated, host },
    openStage0: (image) => openStage0(image, cache),
    app: await makeImage(`${directory}/image`),
  };
  // These pods leave what plugins keep on purpose for later pods, before the host is recorded.
  for (const image of ["isolated", "host"] as const) {
    await liveThrough(firstPod(image, networks), site);
  }
  let images = 0;
  const sandboxSite: SandboxSite = {
    stage0: site.stage0,
    image: () => makeImage(`${directory}/image-${images++}`),
  };
  const before = await readHost();
  const outcomes = await runAll(
    planSoak({ pods, seed, networks }),
    atOnce,
    (plan) => liveThrough(plan, site),
    tellFaults,
  );
  const ofSandboxes = await runAll(
    planSandboxes(sandboxes, seed),
    atOnce,
    (plan) => liveThroughSandbox(plan, sandboxSite),
    tellSandboxFaults,
  );
  const isFlat = changes === 0 || await staysFlat(changes, sandboxSite);
  const uuids = [...outcomes, ...ofSandboxes].map(({ uuid }) => uuid);
  const cgroups = findPodCgroups(uuids);
  for (let i = 0; i < images; i++) {
    await Deno.remove(`${directory}/image-${i}`, { recursive: true });
  }
  const left = [...compareHosts(before, await readHost()), ...cgroups];
  for (const line of left) console.log(`the host: ${line}`);
  await Deno.remove(directory, { recursive: true });
  const isFaultless = [...outcomes, ...ofSandboxes].every(({ faults }) => faults.length === 0);
  Deno.exitCode = left.length === 0 && isFaultless && isFlat ? 0 : 1;
  return { outcomes, sandboxes: ofSandboxes };
}

/** Tells whether a `run` whose apps come and go needs no more in the end than at the beginning. */
async function staysFlat(changes: number, { stage0, image }: SandboxSite): Promise<boolean> {
  const all = await changeOften({ stage0: stage0.isolated, image }, changes, (needs) => {
    const { memory, peak, descriptors } = needs;
    console.log(
      `run after ${needs.changes} apps: ${memory} KiB, at most ${peak}, ${descriptors} descriptors`,
    );
  });
  const growth = growthOf(all);
  const isFlat = growth === undefined;
  if (!isFlat) console.log(`run: ${growth}`);
  return isFlat;
}

function openStage0(image: PodPlan["image"], cache: string): Promise<Stage0> {
  return image === "isolated"
    ? Stage0.open({ stage1: ISOLATED_STAGE1, cache, net: "none" })
    : Stage0.open({ stage1: STAGE1, cache });
}

function firstPod(image: PodPlan["image"], networks: SoakNetworks): PodPlan {
  const joinsNetwork = image === "isolated" && networks !== "none";
  return {
    number: 0,
    image,
    net: joinsNetwork ? "default" : "host",
    hasPort: joinsNetwork,
    apps: ["ends"],
    hasHandlers: false,
    hasLimits: false,
    disk: undefined,
    enters: [],
    ending: "by itself",
    endAfter: 0,
    kills: [],
  };
}

async function runAll<P, O extends { faults: string[] }>(
  plans: readonly P[],
  atOnce: number,
  live: (plan: P) => Promise<O>,
  tell: (outcome: O) => void,
): Promise<O[]> {
  const outcomes: O[] = [];
  const waiting = [...plans];
  const worker = async () => {
    for (let plan = waiting.shift(); plan; plan = waiting.shift()) {
      const outcome = await live(plan);
      outcomes.push(outcome);
      if (outcome.faults.length > 0) tell(outcome);
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

function tellSandboxFaults({ plan, uuid, done, code, words, faults }: SandboxOutcome): void {
  console.log(`sandbox ${plan.number}, ${uuid}, ${done.join(", ")}, run ended with ${code}:`);
  console.log(`  ${JSON.stringify(plan)}`);
  for (const line of [...faults, words.trimEnd()]) console.log(`  ${line}`);
}

function tellFigures({ outcomes, sandboxes }: Found, seconds: number): void {
  const all = [...outcomes, ...sandboxes];
  const faulty = all.filter(({ faults }) => faults.length > 0).length;
  console.log(`${all.length} pods in ${seconds.toFixed(0)} s, ${faulty} with faults`);
  if (outcomes.length > 0) tellPods(outcomes);
  if (sandboxes.length > 0) tellSandboxes(sandboxes);
}

function tellPods(outcomes: readonly Outcome[]): void {
  const plans = outcomes.map(({ plan }) => plan);
  console.log(`images: ${count(plans.map(({ image }) => image))}`);
  console.log(`networks: ${count(plans.map(({ net }) => net))}`);
  console.log(`ports: ${plans.filter(({ hasPort }) => hasPort).length}`);
  console.log(`apps: ${count(plans.map(({ apps }) => `${apps.length}`))}`);
  console.log(`programs: ${count(plans.flatMap(({ apps }) => apps))}`);
  console.log(`handlers: ${plans.filter(({ hasHandlers }) => hasHandlers).length}`);
  console.log(`limits: ${plans.filter(({ hasLimits }) => hasLimits).length}`);
  console.log(`disks: ${plans.filter(({ disk }) => disk).length}, full ${countFills(plans)} times`);
  console.log(`commands: ${plans.flatMap(({ enters }) => enters).length}`);
  console.log(`endings: ${count(plans.map(({ ending }) => ending))}`);
  console.log(`exit codes of run: ${count(outcomes.map(({ code }) => `${code}`))}`);
  console.log(`killed: ${count(outcomes.flatMap(({ killed }) => killed))}`);
}

function tellSandboxes(sandboxes: readonly SandboxOutcome[]): void {
  console.log(`with apps that come and go: ${count(sandboxes.map(({ plan }) => plan.image))}`);
  console.log(`changes: ${count(sandboxes.flatMap(({ done }) => done))}`);
}

function countFills(plans: readonly PodPlan[]): number {
  return plans.flatMap(({ disk }) => disk ? [...disk.fills, ...(disk.isFullAtEnd ? [1] : [])] : [])
    .length;
}

function count(names: readonly string[]): string {
  const groups = Object.entries(Object.groupBy(names, (name) => name));
  return groups.map(([name, all]) => `${name} ${all!.length}`).join(", ");
}

if (import.meta.main) {
  const string = ["pods", "sandboxes", "changes", "at-once", "seed", "networks"] as const;
  const options = parseArgs(Deno.args, { string });
  const networks = options.networks as SoakNetworks;
  const start = performance.now();
  await prepareHost(networks);
  const found = await soak({
    pods: Number(options.pods),
    sandboxes: Number(options.sandboxes),
    changes: Number(options.changes),
    atOnce: Number(options["at-once"]),
    seed: Number(options.seed),
    networks,
  });
  tellFigures(found, (performance.now() - start) / 1000);
}
