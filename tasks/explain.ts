/**
 * `deno task explain`: what the entrypoints may do, and what `run` would do with a pod.
 *
 * @module
 */

import { basename } from "node:path";
import { planApp, planPodMasks } from "../src/plan/app.ts";
import { describeMask, describePlan } from "../src/plan/describe.ts";
import { describeFields } from "../src/plan/fields.ts";
import { VolumeSources } from "../src/rootfs/volume_sources.ts";
import { readFlavor } from "../src/stage1/flavor.ts";
import { loadPod } from "../src/stage1/pod.ts";
import { paint, runTask, say, taskArguments } from "./console.ts";
import { describePermissions, readPermissions } from "./permissions.ts";
import { ENTRY, PROGRAMS } from "./project.ts";

const USAGE = `Usage: deno task explain --permissions
       deno task explain --fields
       deno task explain POD_DIRECTORY

  --permissions  what each entrypoint is allowed to do, and why
  --fields       what becomes of each field of the manifests, as Markdown
  POD_DIRECTORY  what \`run\` would do with a pod; nothing is done
  --debug        show where an error comes from`;

/** What stage0 asks for when its user asks for nothing. */
const DEFAULTS = {
  dns: { resolv: "default", hosts: "default" },
  ids: undefined,
  metadataUrl: undefined,
  disablePaths: false,
  disableCapabilities: false,
  disableSeccomp: false,
} as const;

async function explainPermissions(): Promise<void> {
  for (const name of PROGRAMS) {
    say(paint("bold", name));
    for (const line of describePermissions(await readPermissions(name, ENTRY))) say(`  ${line}`);
    say();
  }
  say("Paths are relative to the pod's directory. Deno refuses everything else at run time,");
  say("except to the C library, whose calls it does not see.");
}

function explainPod(directory: string): void {
  const pod = loadPod(directory);
  const flavor = readFlavor(directory);
  const hostname = flavor === "isolated"
    ? `rkt-${basename(Deno.realPathSync(directory))}`
    : undefined;
  const options = { ...DEFAULTS, flavor, hasNetwork: flavor === "isolated", hostname };
  using sources = new VolumeSources();
  const masks = planPodMasks(pod, options);
  if (masks.length > 0) say("in the pod's own /proc and /sys:");
  for (const mask of masks) say(`  ${describeMask(mask)}`);
  for (const app of pod.apps) {
    for (const line of describePlan(planApp(pod, app, options, sources))) say(line);
  }
}

async function main(args: string[]): Promise<void> {
  const options = taskArguments(args, { boolean: ["permissions", "fields"], usage: USAGE });
  const [directory] = options._;
  if (options.permissions) await explainPermissions();
  else if (options.fields) describeFields().forEach((line) => say(line));
  else if (directory !== undefined) explainPod(directory);
  else throw new Error("what is to be explained? See --help");
}

if (import.meta.main) await runTask("explain", main);
