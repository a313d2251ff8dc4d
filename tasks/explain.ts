/**
 * `deno task explain`: what the entrypoints may do, and what `run` would do with a pod.
 *
 * @module
 */

import { basename } from "node:path";
import { describePlan, toJson } from "../src/plan/describe.ts";
import { describeFields } from "../src/plan/fields.ts";
import type { PodPlan } from "../src/plan/pod.ts";
import { planPodDirectory } from "../src/pod/plan.ts";
import { VolumeSources } from "../src/rootfs/volume_sources.ts";
import { parseRunArguments } from "../src/stage1/arguments.ts";
import { paint, runTask, say, taskArguments } from "./console.ts";
import { describePermissions, readPermissions } from "./permissions.ts";
import { ENTRY, PROGRAMS } from "./project.ts";

const USAGE = `Usage: deno task explain --permissions
       deno task explain --fields
       deno task explain [--json] POD_DIRECTORY [-- FLAGS OF RUN]

  --permissions  what each entrypoint is allowed to do, and why
  --fields       what becomes of each field of the manifests, as Markdown
  --json         print the plan as JSON
  POD_DIRECTORY  what \`run\` would do with a pod, in that order; nothing is done
  FLAGS OF RUN   as rkt passes them, such as --net=none
  --debug        show where an error comes from`;

async function explainPermissions(): Promise<void> {
  for (const name of PROGRAMS) {
    say(paint("bold", name));
    for (const line of describePermissions(await readPermissions(name, ENTRY))) say(`  ${line}`);
    say();
  }
  say("Paths are relative to the pod's directory. Deno refuses everything else at run time,");
  say("except to the C library, whose calls it does not see.");
}

/**
 * Plans the pod in a directory, as `run` would be started there now.
 *
 * @param flags Those of `run`; the pod's UUID is the directory's name.
 * @throws {Error} which names the file, field or flag that is wrong.
 */
export function planOf(directory: string, flags: readonly string[]): PodPlan {
  const before = Deno.cwd();
  Deno.chdir(directory);
  try {
    using sources = new VolumeSources();
    const args = parseRunArguments([...flags, basename(Deno.cwd())]);
    return planPodDirectory(args, sources);
  } finally {
    Deno.chdir(before);
  }
}

function explainPod(directory: string, flags: readonly string[], asJson: boolean): void {
  const plan = planOf(directory, flags);
  if (asJson) say(escapeControls(JSON.stringify(toJson(plan), null, 2)));
  else describePlan(plan).forEach((line) => say(line));
}

/**
 * Escapes the control characters that JSON allows in strings: a terminal takes them for commands.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(escapeControls('"\x9b2J\x7f"'), '"\\u009b2J\\u007f"');
 * ```
 */
export function escapeControls(json: string): string {
  return json.replace(
    /[\x7f-\x9f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

async function main(args: string[]): Promise<void> {
  const split = args.includes("--") ? args.indexOf("--") : args.length;
  const boolean = ["permissions", "fields", "json"];
  const options = taskArguments(args.slice(0, split), { boolean, usage: USAGE });
  const [directory] = options._;
  if (options.permissions) await explainPermissions();
  else if (options.fields) describeFields().forEach((line) => say(line));
  else if (directory !== undefined) {
    explainPod(directory, args.slice(split + 1), options.json === true);
  } else throw new Error("what is to be explained? See --help");
}

if (import.meta.main) await runTask("explain", main);
