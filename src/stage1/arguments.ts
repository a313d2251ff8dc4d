/**
 * The arguments of the entrypoints: rkt's stage1 implementor's guide, interface version 6.
 *
 * @module
 */

import { isACName, NOT_AC_NAME } from "../appc/ac_name.ts";
import { parseUUID } from "../appc/uuid.ts";
import { quoteText } from "../linux/text.ts";
import { type CommandLine, HELP, VERSION_FLAG } from "./command_line.ts";
import { parseFlags } from "./flags.ts";

// Flags stand by name here, as a bundler keeps an object that is spread in every bundle.
const DEBUG = { does: "shows each step on stderr, and where an error arose" } as const;
const APP = { value: "APP", does: "is the app's name in the pod" } as const;

/** `run`: see {@linkcode parseRunArguments}. */
export const RUN = {
  name: "run",
  usage: "[flags] UUID",
  does: "Runs the pod in whose directory it is called, with the pod's lock in RKT_LOCK_FD.",
  flags: {
    "debug": DEBUG,
    "net": {
      value: "LIST",
      does: "names the networks: default, host, none, all, or others",
    },
    "interactive": { does: "gives the only app the caller's terminal, or its streams" },
    "mds-token": { value: "TOKEN", does: "is the pod's token at rkt's metadata service" },
    "local-config": { value: "DIR", does: "is rkt's local configuration, with net.d in it" },
    "private-users": {
      value: "SHIFT:COUNT",
      does: "gives an isolated pod these ids of the host as its users",
    },
    "hostname": { value: "NAME", does: "is the host name of an isolated pod; else rkt-UUID" },
    "disable-capabilities-restriction": { does: "leaves apps all capabilities that rkt has" },
    "disable-paths": { does: "neither hides nor write-protects paths of the kernel" },
    "disable-seccomp": { does: "gives apps no system call filter" },
    "dns-conf-mode": {
      value: "resolv=MODE,hosts=MODE",
      does: "tells whose they are: host, stage0, none, default",
    },
    "mutable": { does: "says that apps come and go, as the manifest does" },
    "ipc": { value: "MODE", does: "is auto, private or parent: whose IPC an isolated pod has" },
    "help": HELP,
    "version": VERSION_FLAG,
  },
} as const satisfies CommandLine;

/** `enter`: see {@linkcode parseEnterArguments}. */
export const ENTER = {
  name: "enter",
  usage: "--pid=PID --appname=APP [flags] -- CMD [ARGUMENTS…]",
  does: "Runs a command in an app of the pod in whose directory it is called.",
  flags: {
    "debug": DEBUG,
    "pid": { value: "PID", does: "is what the pod's file pid says" },
    "appname": APP,
    "help": HELP,
    "version": VERSION_FLAG,
  },
} as const satisfies CommandLine;

/** `gc`: see {@linkcode parseGcArguments}. */
export const GC = {
  name: "gc",
  usage: "[flags] UUID",
  does: "Takes down what is left of the pod in whose directory it is called.",
  flags: {
    "debug": DEBUG,
    "local-config": { value: "DIR", does: "has no effect: run has recorded what it used" },
    "only-networks": { does: "takes the pod from its networks, and does no more: run asks for it" },
    "help": HELP,
    "version": VERSION_FLAG,
  },
} as const satisfies CommandLine;

/** `stop`: see {@linkcode parseStopArguments}. */
export const STOP = {
  name: "stop",
  usage: "[flags] UUID",
  does: "Asks the apps of the pod in whose directory it is called to end, and does not wait.",
  flags: {
    "debug": DEBUG,
    "force": { does: "kills all processes of the pod, and waits for run" },
    "help": HELP,
    "version": VERSION_FLAG,
  },
} as const satisfies CommandLine;

const OF_RUN = { does: "has no effect: the app has what the pod was started with" } as const;

/** `app-add`: see {@linkcode parseAppAddArguments}. */
export const APP_ADD = {
  name: "app-add",
  usage: "--app=APP --uuid=UUID [flags]",
  does: "Adds an app of the manifest to the running pod in whose directory it is called.",
  flags: {
    "debug": DEBUG,
    "app": APP,
    "uuid": { value: "UUID", does: "is the pod's UUID" },
    "private-users": { value: "SHIFT:COUNT", does: "has no effect: the pod has its users" },
    "disable-capabilities-restriction": OF_RUN,
    "disable-paths": OF_RUN,
    "disable-seccomp": OF_RUN,
    "help": HELP,
    "version": VERSION_FLAG,
  },
} as const satisfies CommandLine;

const FLAGS_OF_ONE_APP = {
  "debug": DEBUG,
  "app": APP,
  "help": HELP,
  "version": VERSION_FLAG,
} as const;

/** `app-start`: see {@linkcode parseAppArguments}. */
export const APP_START = {
  name: "app-start",
  usage: "--app=APP [flags]",
  does: "Starts an app that has been added to the pod in whose directory it is called.",
  flags: FLAGS_OF_ONE_APP,
} as const satisfies CommandLine;

/** `app-stop`: see {@linkcode parseAppArguments}. */
export const APP_STOP = {
  name: "app-stop",
  usage: "--app=APP [flags]",
  does: "Asks an app of the pod in whose directory it is called to end, and waits for that.",
  flags: FLAGS_OF_ONE_APP,
} as const satisfies CommandLine;

/** `app-rm`: see {@linkcode parseAppArguments}. */
export const APP_RM = {
  name: "app-rm",
  usage: "--app=APP [flags]",
  does: "Removes an app from the pod in whose directory it is called, and ends it before.",
  flags: FLAGS_OF_ONE_APP,
} as const satisfies CommandLine;

/** `attach`: see {@linkcode parseAttachArguments}. */
export const ATTACH = {
  name: "attach",
  usage: "--action=ACTION --app=APP [flags]",
  does: "Shows what can be attached to of an app, or attaches to it.",
  flags: {
    "debug": DEBUG,
    "action": { value: "ACTION", does: "is list, auto-attach or custom-attach" },
    "app": APP,
    "tty-in": { does: "attaches to what the app's terminal reads, with custom-attach" },
    "tty-out": { does: "attaches to what the app's terminal shows, with custom-attach" },
    "stdin": { does: "attaches to the app's standard input, with custom-attach" },
    "stdout": { does: "attaches to the app's standard output, with custom-attach" },
    "stderr": { does: "attaches to the app's standard error, with custom-attach" },
    "help": HELP,
    "version": VERSION_FLAG,
  },
} as const satisfies CommandLine;

/** The flag by which `run` has `gc` take a pod from its networks, and do no more. */
export const ONLY_NETWORKS = "only-networks" satisfies keyof typeof GC.flags;

/** Whose /etc/resolv.conf the apps have. */
export const RESOLV_MODES = ["host", "stage0", "none", "default"] as const;

/** Whose /etc/hosts the apps have. */
export const HOSTS_MODES = ["host", "stage0", "default"] as const;

/** Whose IPC an isolated pod has. */
export const IPC_MODES = ["auto", "private", "parent"] as const;

/** What `attach` can do. */
const ATTACH_ACTIONS = ["list", "auto-attach", "custom-attach"] as const;

/** What `attach` can attach to, in the order in which endpoints are listed. */
export const ENDPOINTS = ["stdin", "stdout", "stderr", "tty-in", "tty-out"] as const;

/** Something of an app that a client may attach to. */
export type Endpoint = typeof ENDPOINTS[number];

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

/** The arguments of `app-start`, `app-stop` and `app-rm`; others have these as well. */
export interface AppArguments {
  debug: boolean;
  /** The app's name in the pod. */
  app: string;
}

/** The arguments of `app-add`. */
export interface AppAddArguments extends AppArguments {
  uuid: string;
  disableCapabilities: boolean;
  disablePaths: boolean;
  disableSeccomp: boolean;
}

/** The arguments of `attach`. */
export interface AttachArguments extends AppArguments {
  action: typeof ATTACH_ACTIONS[number];
  /** What to attach to, with `custom-attach`; else none. */
  endpoints: Endpoint[];
}

/**
 * Reads the arguments of `run [flags] UUID`.
 *
 * @throws {Error} when they do not conform to the interface.
 */
export function parseRunArguments(args: readonly string[]): RunArguments {
  const { flags, rest } = parseFlags(args, RUN.flags);
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
  const { flags, rest } = parseFlags(args, ENTER.flags);
  if (!flags.appname) throw new Error("--appname, the app to enter, is missing");
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
  const { flags, rest } = parseFlags(args, GC.flags);
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
  const { flags, rest } = parseFlags(args, STOP.flags);
  return {
    uuid: onlyUUID(rest),
    debug: flags.debug ?? false,
    force: flags.force ?? false,
  };
}

/**
 * Reads the arguments of `app-add --app=APP --uuid=UUID [flags]`.
 *
 * @throws {Error} when they do not conform to the interface.
 */
export function parseAppAddArguments(args: readonly string[]): AppAddArguments {
  const { flags, rest } = parseFlags(args, APP_ADD.flags);
  if (!flags.uuid) throw new Error("--uuid, the pod's UUID, is missing");
  return {
    ...appArguments(flags, rest),
    uuid: parseUUID(flags.uuid),
    disableCapabilities: flags["disable-capabilities-restriction"] ?? false,
    disablePaths: flags["disable-paths"] ?? false,
    disableSeccomp: flags["disable-seccomp"] ?? false,
  };
}

/**
 * Reads the arguments of `app-start`, `app-stop` and `app-rm`, each `--app=APP [--debug]`.
 *
 * @throws {Error} when they do not conform to the interface.
 */
export function parseAppArguments(args: readonly string[]): AppArguments {
  const { flags, rest } = parseFlags(args, FLAGS_OF_ONE_APP);
  return appArguments(flags, rest);
}

/**
 * Reads the arguments of `attach --action=ACTION --app=APP [flags]`.
 *
 * @throws {Error} when they do not conform to the interface, or name endpoints that nobody can
 * attach to at once, or none.
 */
export function parseAttachArguments(args: readonly string[]): AttachArguments {
  const { flags, rest } = parseFlags(args, ATTACH.flags);
  const action = oneOf(flags.action ?? "", ATTACH_ACTIONS, "--action");
  // rkt tells what it does not attach to as well, as --stdin=false.
  const endpoints = ENDPOINTS.filter((endpoint) => flags[endpoint]);
  const isCustom = action === "custom-attach";
  if (isCustom) checkEndpoints(endpoints);
  return { ...appArguments(flags, rest), action, endpoints: isCustom ? endpoints : [] };
}

function checkEndpoints(endpoints: readonly Endpoint[]): void {
  if (endpoints.length === 0) throw new Error("--action=custom-attach: no endpoint is named");
  const ofTerminal = endpoints.filter((endpoint) => endpoint.startsWith("tty"));
  if (ofTerminal.length > 0 && ofTerminal.length < endpoints.length) {
    throw new Error(`--${endpoints.join(", --")}: a terminal and streams cannot be had at once`);
  }
}

/** rkt has checked the name; here it must not be one that leads out of a directory. */
function appArguments(
  { app, debug }: { app?: string; debug?: boolean },
  rest: readonly string[],
): AppArguments {
  if (!app) throw new Error("--app, the app's name in the pod, is missing");
  const [extra] = rest;
  if (extra !== undefined) throw new Error(`${quoteText(extra)}: one argument too many`);
  if (!isACName(app)) throw new Error(`--app: ${quoteText(app)}: ${NOT_AC_NAME}`);
  return { debug: debug ?? false, app };
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
  if (uuid === undefined) throw new Error("the UUID of a pod is missing");
  if (extra !== undefined) throw new Error(`${quoteText(extra)}: one argument too many`);
  return parseUUID(uuid);
}
