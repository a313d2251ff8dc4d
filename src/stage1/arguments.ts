/**
 * The arguments of the four entrypoints: rkt's stage1 implementor's guide, interface version 6.
 *
 * @module
 */

import { parseUUID } from "../appc/uuid.ts";
import { quoteText } from "../linux/text.ts";
import { parseFlags } from "./flags.ts";

const RUN_FLAGS = {
  "debug": "boolean",
  "net": "string",
  "interactive": "boolean",
  "mds-token": "string",
  "local-config": "string",
  "private-users": "string",
  "hostname": "string",
  "disable-capabilities-restriction": "boolean",
  "disable-paths": "boolean",
  "disable-seccomp": "boolean",
  "dns-conf-mode": "string",
  "mutable": "boolean",
  "ipc": "string",
} as const;

/** The flag by which `run` has `gc` take a pod from its networks, and do no more. */
export const ONLY_NETWORKS = "only-networks";

const GC_FLAGS = {
  "debug": "boolean",
  "local-config": "string",
  [ONLY_NETWORKS]: "boolean",
} as const;

const RESOLV_MODES = ["host", "stage0", "none", "default"] as const;
const HOSTS_MODES = ["host", "stage0", "default"] as const;
const IPC_MODES = ["auto", "private", "parent"] as const;

/** The origin of each app's /etc/resolv.conf and /etc/hosts. */
export interface DnsConfMode {
  resolv: typeof RESOLV_MODES[number];
  hosts: typeof HOSTS_MODES[number];
}

/** The default of `--local-config`. */
const LOCAL_CONFIG = "/etc/rkt";

/** The arguments of `run`. */
export interface RunArguments {
  uuid: string;
  debug: boolean;
  /** The value of `--net`. */
  net: string;
  interactive: boolean;
  mdsToken: string;
  /** The directory of rkt's local configuration. */
  localConfig: string;
  privateUsers: string;
  hostname: string;
  disableCapabilities: boolean;
  disablePaths: boolean;
  disableSeccomp: boolean;
  dns: DnsConfMode;
  mutable: boolean;
  ipc: typeof IPC_MODES[number];
}

/** The arguments of `enter`. */
export interface EnterArguments {
  debug: boolean;
  pid: number;
  appName: string;
  command: string[];
}

/** The arguments of `gc`. */
export interface GcArguments {
  uuid: string;
  debug: boolean;
  /** Whether to take the pod from its networks, and no more: `run` asks for that, not rkt. */
  onlyNetworks: boolean;
}

/** The arguments of `stop`. */
export interface StopArguments {
  uuid: string;
  debug: boolean;
  force: boolean;
}

/**
 * Reads the arguments of `run [flags] UUID`.
 *
 * @throws {Error} when they do not conform to the interface.
 */
export function parseRunArguments(args: readonly string[]): RunArguments {
  const { flags, rest } = parseFlags(args, RUN_FLAGS);
  return {
    uuid: onlyUUID(rest),
    debug: flags.debug ?? false,
    net: flags.net ?? "default",
    interactive: flags.interactive ?? false,
    mdsToken: flags["mds-token"] ?? "",
    localConfig: flags["local-config"] ?? LOCAL_CONFIG,
    privateUsers: flags["private-users"] ?? "",
    hostname: flags.hostname ?? "",
    disableCapabilities: flags["disable-capabilities-restriction"] ?? false,
    disablePaths: flags["disable-paths"] ?? false,
    disableSeccomp: flags["disable-seccomp"] ?? false,
    dns: parseDnsConfMode(flags["dns-conf-mode"] ?? ""),
    mutable: flags.mutable ?? false,
    ipc: oneOf(flags.ipc ?? "auto", IPC_MODES, "--ipc"),
  };
}

/**
 * Reads the arguments of `enter --pid=PID --appname=APP [--debug] -- CMD [ARGS…]`.
 *
 * @throws {Error} when they do not conform to the interface.
 */
export function parseEnterArguments(args: readonly string[]): EnterArguments {
  const { flags, rest } = parseFlags(args, {
    debug: "boolean",
    pid: "string",
    appname: "string",
  });
  if (!flags.appname) throw new Error("--appname: missing: which app to enter");
  if (rest.length === 0) throw new Error("no command to run in the app");
  return {
    debug: flags.debug ?? false,
    pid: parsePid(flags.pid ?? "", "--pid"),
    appName: flags.appname,
    command: rest,
  };
}

/**
 * Reads the arguments of `gc [--debug] [--local-config=DIR] UUID`.
 *
 * @throws {Error} when they do not conform to the interface.
 */
export function parseGcArguments(args: readonly string[]): GcArguments {
  const { flags, rest } = parseFlags(args, GC_FLAGS);
  return {
    uuid: onlyUUID(rest),
    debug: flags.debug ?? false,
    onlyNetworks: flags[ONLY_NETWORKS] ?? false,
  };
}

/**
 * Reads the arguments of `stop [--force] [--debug] UUID`.
 *
 * @throws {Error} when they do not conform to the interface.
 */
export function parseStopArguments(args: readonly string[]): StopArguments {
  const { flags, rest } = parseFlags(args, { debug: "boolean", force: "boolean" });
  return {
    uuid: onlyUUID(rest),
    debug: flags.debug ?? false,
    force: flags.force ?? false,
  };
}

/**
 * Reads a process id in decimal.
 *
 * @param what The flag or file that the text comes from.
 * @throws {Error} when the text is not a process id.
 */
export function parsePid(text: string, what: string): number {
  const pid = /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : NaN;
  if (!(pid <= 0x7fff_ffff)) {
    throw new Error(`${what}: ${quoteText(text)} is not a process id`);
  }
  return pid;
}

function parseDnsConfMode(text: string): DnsConfMode {
  const pairs = new Map<string, string>();
  for (const pair of text.split(",").filter((pair) => pair !== "")) {
    const [key = "", value = ""] = pair.split("=", 2);
    if (key !== "resolv" && key !== "hosts") {
      throw new Error(`--dns-conf-mode: ${quoteText(key)} is neither resolv nor hosts`);
    }
    pairs.set(key, value);
  }
  return {
    resolv: oneOf(pairs.get("resolv") ?? "default", RESOLV_MODES, "--dns-conf-mode: resolv"),
    hosts: oneOf(pairs.get("hosts") ?? "default", HOSTS_MODES, "--dns-conf-mode: hosts"),
  };
}

function oneOf<const T extends readonly string[]>(
  value: string,
  choices: T,
  what: string,
): T[number] {
  if (choices.includes(value)) return value;
  throw new Error(`${what}: ${quoteText(value)} is not one of ${choices.join(", ")}`);
}

function onlyUUID(rest: readonly string[]): string {
  const [uuid, extra] = rest;
  if (uuid === undefined) throw new Error("UUID: missing: which pod");
  if (extra !== undefined) throw new Error(`${quoteText(extra)}: one argument too many`);
  return parseUUID(uuid);
}
