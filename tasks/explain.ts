/**
 * `deno task explain`: what the entrypoints may do, and what `run` would do with a pod.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { basename } from "node:path";
import { PROGRAMS } from "../image/entrypoints.ts";
import { describeAddition, describePlan, toJson } from "../src/plan/describe.ts";
import { describeFields } from "../src/plan/fields.ts";
import { planPodWithAdded, type PodWithAdded } from "../src/pod/plan.ts";
import { VolumeSources } from "../src/rootfs/volume_sources.ts";
import { parseRunArguments } from "../src/stage1/arguments.ts";
import { POD_PATHS } from "../src/stage1/pod_directory.ts";
import { type Arguments, type CommandLine, WrongUse } from "./command_line.ts";
import { paint, say } from "./console.ts";
import { MAN_DIRECTORY, manPages } from "./man_pages.ts";
import { flag, requireDirectory } from "./option.ts";
import { describePermissions, readPermissions } from "./permissions.ts";
import { ENTRY, ROOT } from "./project.ts";
import { runTask } from "./run_task.ts";

const COMMAND = {
  name: "explain",
  purpose: `Shows what \`run\` would do with a pod, in the order in which it would happen, without
    doing it; or what the entrypoints may do, or what becomes of a manifest's fields.`,
  options: {
    permissions: flag("show what each entrypoint is allowed to do, and why"),
    fields: flag("show what becomes of each field of the manifests, as Markdown"),
    man: flag("write the manual pages into docs/man"),
    json: flag("print the plan for a pod as JSON"),
  },
  operands: {
    name: "POD_DIRECTORY",
    meaning: "the pod, such as /var/lib/rkt/pods/run/UUID",
    most: 1,
    check: requirePodDirectory,
  },
  rest: { name: "FLAG…", meaning: "flags of `run`, as rkt passes them, such as --net=none" },
  examples: ["--permissions", "/var/lib/rkt/pods/run/UUID -- --net=none"],
} satisfies CommandLine;

/** Checks that a directory is a pod's. */
function requirePodDirectory(directory: string): void {
  requireDirectory(directory);
  const manifest = `${directory}/${POD_PATHS.manifest}`;
  if (!existsSync(manifest)) {
    throw new Error(`${directory}: is no pod's directory: it has no file "${POD_PATHS.manifest}"`);
  }
}

async function writeManPages(): Promise<void> {
  for (const [file, text] of manPages()) {
    await Deno.writeTextFile(`${ROOT}/${MAN_DIRECTORY}/${file}`, text);
    say(`${MAN_DIRECTORY}/${file}`);
  }
}

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
 * Plans the pod in a directory, as `run` would be started there now, and the apps that have been
 * added to it.
 *
 * @param flags Those of `run`; the pod's UUID is the directory's name.
 * @throws {Error} which names the file, field or flag that is wrong.
 */
export function planOf(directory: string, flags: readonly string[]): PodWithAdded {
  const before = Deno.cwd();
  Deno.chdir(directory);
  try {
    using sources = new VolumeSources();
    const args = parseRunArguments([...flags, basename(Deno.cwd())]);
    return planPodWithAdded(args, sources);
  } finally {
    Deno.chdir(before);
  }
}

function explainPod(directory: string, flags: readonly string[], asJson: boolean): void {
  const { pod, added } = planOf(directory, flags);
  if (asJson) {
    const plan = added.length > 0 ? { ...pod, added } : pod;
    say(escapeControls(JSON.stringify(toJson(plan), null, 2)));
  } else {
    for (const line of [...describePlan(pod), ...added.flatMap(describeAddition)]) say(line);
  }
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

/** Checks that one thing is to be explained, by options that belong to it. */
function requireOneSubject({ options, operands, rest }: ExplainArguments): void {
  const { permissions, fields, man, json } = options;
  const [directory] = operands;
  const asked = [permissions, fields, man, directory !== undefined].filter((is) => is).length;
  if (asked !== 1) {
    throw new WrongUse(
      "one of --permissions, --fields, --man and POD_DIRECTORY is to be explained",
    );
  }
  if (directory === undefined && (json || rest.length > 0)) {
    throw new WrongUse(`${json ? "--json" : "--"}: goes with POD_DIRECTORY`);
  }
}

type ExplainArguments = Arguments<typeof COMMAND.options>;

async function main(args: ExplainArguments): Promise<void> {
  requireOneSubject(args);
  const { options, operands: [directory], rest } = args;
  if (options.permissions) await explainPermissions();
  else if (options.fields) describeFields().forEach((line) => say(line));
  else if (options.man) await writeManPages();
  else explainPod(directory!, rest, options.json);
}

if (import.meta.main) await runTask(COMMAND, main);
