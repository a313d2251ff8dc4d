/**
 * Talking to plugins: CNI's SPEC.md, "Parameters" and "Error".
 *
 * @module
 */

import { type JsonReader, readJson } from "../plan/network/json_reader.ts";
import type { PluginCall } from "../plan/network/networks.ts";
import { withContext } from "../stage1/context.ts";
import { printable } from "../stage1/log.ts";

/** A program to be run to its end. */
export interface ProgramRun {
  path: string;
  argv: string[];
  /** `NAME=value` each. */
  environment: string[];
  /** All that it can read. */
  stdin: string;
}

/** What a program that has ended left. */
export interface ProgramEnd {
  /** Its exit status, or 128 and the number of the signal that ended it. */
  status: number;
  stdout: string;
  /** Left out where its words went to the terminal. */
  stderr?: string;
}

/** Runs a program in the host's namespaces and the pod directory, and waits for its end. */
export type RunProgram = (program: ProgramRun) => ProgramEnd;

/** A plugin that has been found, and what it is told. */
export interface LocatedCall extends PluginCall {
  /** The program. */
  path: string;
}

/** What all plugins of a network have in common. */
export interface CallContext {
  /** The pod's, which to plugins is the container's id. */
  uuid: string;
  /** The path of the pod's network namespace; empty when it is gone. */
  netns: string;
  /** The directories of plugins, with colons between them. */
  searchPath: string;
  ifName: string;
  args: string;
  /** This program's variables, `NAME=value` each, which plugins get as well. */
  environment: readonly string[];
  run: RunProgram;
}

/** What plugins are asked to do. */
export type Command = "ADD" | "DEL";

/** The version that rkt tells plugins of in their environment. What counts is the configuration's. */
const CNI_VERSION = "0.1.0";

/** Where distributions keep iptables, which the PATH of many shells leaves out. */
const SYSTEM_DIRECTORIES = [
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
  "/usr/bin",
  "/bin",
];

/** What to do about failures that plugins only report. */
const HINTS: [failure: RegExp, hint: string][] = [
  [/failed to find plugin/, "install the CNI plugins, on Debian containernetworking-plugins"],
  [/(iptables|nft)\\?"?: executable file not found|failed to locate iptables/, "install iptables"],
];

/** How much a person is shown of the words of a plugin that does not know CNI. */
const LONGEST_WORDS = 300;

/**
 * Has a plugin do its part.
 *
 * @param prevResult The result of those before it, if it should know.
 * @returns What it printed: its result.
 * @throws {Error} `ptp: why`, in the plugin's own words.
 */
export function callPlugin(
  command: Command,
  call: LocatedCall,
  prevResult: unknown,
  context: CallContext,
): string {
  const { type, path } = call;
  const environment = pluginEnvironment(command, context);
  const end = withContext(
    type,
    () => context.run({ path, argv: [path], environment, stdin: pluginInput(call, prevResult) }),
  );
  if (end.status !== 0) throw new Error(`${type}: ${describeFailure(end)}`);
  return end.stdout;
}

/**
 * What a plugin reads: its configuration as it is, unless there is a result to add.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const call = { type: "ptp", cniVersion: "0.4.0", configuration: '{ "type": "ptp" }' };
 * assertEquals(pluginInput(call, undefined), '{ "type": "ptp" }');
 * assertEquals(pluginInput(call, { ips: [] }), '{"type":"ptp","prevResult":{"ips":[]}}');
 * ```
 */
export function pluginInput({ configuration }: PluginCall, prevResult: unknown): string {
  if (prevResult === undefined) return configuration;
  return JSON.stringify({ ...JSON.parse(configuration), prevResult });
}

/** The variables of a plugin: this program's, and over them those of CNI. */
export function pluginEnvironment(command: Command, context: CallContext): string[] {
  const inherited = context.environment.filter((variable) => !/^(CNI_|PATH=)/.test(variable));
  const path = context.environment.find((variable) => variable.startsWith("PATH="));
  return [
    ...inherited,
    `PATH=${completePath(path?.slice("PATH=".length) ?? "")}`,
    `CNI_VERSION=${CNI_VERSION}`,
    `CNI_COMMAND=${command}`,
    `CNI_CONTAINERID=${context.uuid}`,
    `CNI_NETNS=${context.netns}`,
    `CNI_ARGS=${completeArgs(context.args)}`,
    `CNI_IFNAME=${context.ifName}`,
    `CNI_PATH=${context.searchPath}`,
  ];
}

function completePath(path: string): string {
  const directories = path.split(":").filter((directory) => directory !== "");
  const missing = SYSTEM_DIRECTORIES.filter((directory) => !directories.includes(directory));
  return [...directories, ...missing].join(":");
}

/** Each plugin knows only some arguments, and refuses the others unless it is told not to. */
function completeArgs(args: string): string {
  const pairs = args.split(";").filter((pair) => pair !== "");
  if (pairs.length === 0 || pairs.some((pair) => pair.startsWith("IgnoreUnknown="))) return args;
  return [...pairs, "IgnoreUnknown=1"].join(";");
}

function describeFailure(end: ProgramEnd): string {
  const words = errorWords(end.stdout) ?? statusWords(end);
  const hint = HINTS.find(([failure]) => failure.test(words))?.[1];
  return printable(hint === undefined ? words : `${words} (${hint})`);
}

/** The message of a plugin that knows how to warn; `undefined` of others. */
function errorWords(stdout: string): string | undefined {
  try {
    const reader = readJson(stdout, "error");
    return errorMessage(reader);
  } catch {
    // Whatever it printed, it is no error of CNI's, and shown as it is.
    return undefined;
  }
}

function errorMessage(reader: JsonReader): string | undefined {
  const message = reader.text("msg");
  const details = reader.text("details");
  return message && details ? `${message}; ${details}` : message || details || undefined;
}

function statusWords({ status, stdout, stderr = "" }: ProgramEnd): string {
  const words = (stderr.trim() || stdout.trim()).replace(/\s+/g, " ").slice(0, LONGEST_WORDS);
  return words === "" ? `ended with status ${status}` : `ended with status ${status}: ${words}`;
}
