/**
 * The calls of CNI plugins: SPEC.md, "Parameters" and "Error".
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
  /** The whole of its standard input. */
  stdin: string;
}

/** The end of a program, and what it has printed. */
export interface ProgramEnd {
  /** Its exit status; 128 plus the number of the signal, if one ended it. */
  status: number;
  stdout: string;
  /** Left out where its standard error is the caller's. */
  stderr?: string;
}

/** Runs a program in the host's namespaces and the pod directory, and waits for its end. */
export type RunProgram = (program: ProgramRun) => ProgramEnd;

/** A call of a plugin that has been found. */
export interface LocatedCall extends PluginCall {
  /** The plugin's program. */
  path: string;
}

/** The parameters that all plugins of a network get. */
export interface CallContext {
  /** The pod's UUID, as `CNI_CONTAINERID`. */
  uuid: string;
  /** The path of the pod's network namespace; empty when the namespace is gone. */
  netns: string;
  /** The directories of plugins, separated by colons. */
  searchPath: string;
  ifName: string;
  args: string;
  /** This process's variables, `NAME=value` each, which plugins inherit. */
  environment: readonly string[];
  run: RunProgram;
}

/** The operations of CNI that are used. */
export type CniCommand = "ADD" | "DEL";

/** The version in the environment, as rkt has it. Plugins go by the one in their configuration. */
const CNI_VERSION = "0.1.0";

/** The directories in which distributions have iptables. Many shells have only some in `PATH`. */
const SYSTEM_DIRECTORIES = [
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  "/usr/local/bin",
  "/usr/bin",
  "/bin",
];

/** What the user can do about failures that plugins report without a remedy. */
const HINTS: [failure: RegExp, hint: string][] = [
  [/failed to find plugin/, "install the CNI plugins, on Debian containernetworking-plugins"],
  [/(iptables|nft)\\?"?: executable file not found|failed to locate iptables/, "install iptables"],
];

/** The most characters that are shown of a message which has not CNI's form. */
const LONGEST_WORDS = 300;

/**
 * Calls a plugin.
 *
 * @param prevResult The result of the plugins before it; `undefined` for none.
 * @returns The plugin's output, which after `ADD` is its result.
 * @throws {Error} when the plugin fails: `ptp: why`, in the plugin's own words.
 */
export function callPlugin(
  command: CniCommand,
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
 * Formats the input of a plugin: its configuration, unchanged unless there is a result to add.
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

/** Lists the variables of a plugin, `NAME=value` each: this process's, overridden by CNI's. */
export function pluginEnvironment(command: CniCommand, context: CallContext): string[] {
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

/** Adds `IgnoreUnknown`, without which a plugin refuses arguments that are for another one. */
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

/** Returns the message of an error in CNI's form; `undefined` for other output. */
function errorWords(stdout: string): string | undefined {
  try {
    const reader = readJson(stdout, "error");
    return errorMessage(reader);
  } catch {
    // The output has not CNI's form, and is shown as it is.
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
