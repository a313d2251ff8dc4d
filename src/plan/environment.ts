/**
 * An app's environment: appc spec, `spec/ace.md`, "Execution Environment".
 *
 * @module
 */

import type { EnvironmentVariable } from "../appc/manifest.ts";
import { NOTIFY_SOCKET } from "./notification.ts";

/**
 * Variables of an app that does not set them. `SHELL` is not the user's: that of a service's user
 * is one that lets nobody in.
 */
const DEFAULTS: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  SHELL: "/bin/sh",
};

/** The variables that tell a program whose account it runs under. */
export const ACCOUNT_VARIABLES = ["USER", "LOGNAME", "HOME"] as const;

/** What the variables of a user say. */
export interface Account {
  /** The user's name, if the app knows one. */
  name: string | undefined;
  /** The user's directory. */
  home: string;
}

/** Root's account, as rkt has it, whatever the app's /etc/passwd says. */
export const ROOT_ACCOUNT: Account = { name: "root", home: "/root" };

/** The account of a user whom the app's /etc/passwd does not have. */
export const UNKNOWN_ACCOUNT: Account = { name: undefined, home: "/" };

/** The value by which systemd and others recognise that they run under rkt. */
const CONTAINER = "rkt";

/**
 * Composes an app's environment: the defaults, then what the app declares, then what only the
 * executor knows and an app cannot override. Those of the user's account are added later:
 * {@linkcode withAccount}.
 *
 * @param declared The variables that the app's manifest sets.
 * @param metadataUrl The URL of the pod's metadata service, if it has one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const environment = composeEnvironment([{ name: "USER", value: "me" }], "web", undefined);
 * assertEquals(environment.get("USER"), "me");
 * assertEquals(environment.get("AC_APP_NAME"), "web");
 * ```
 */
export function composeEnvironment(
  declared: readonly EnvironmentVariable[],
  appName: string,
  metadataUrl: string | undefined,
): Map<string, string> {
  const environment = new Map(Object.entries(DEFAULTS));
  for (const { name, value } of declared) environment.set(name, value);
  environment.set("AC_APP_NAME", appName);
  environment.set("container", CONTAINER);
  if (metadataUrl !== undefined) environment.set("AC_METADATA_URL", metadataUrl);
  return environment;
}

/**
 * Adds the variables of a user's account, except those that the app declares.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const account = { name: "web", home: "/srv" };
 * const environment = withAccount(new Map([["HOME", "/tmp"]]), account);
 * assertEquals([...environment], [["USER", "web"], ["LOGNAME", "web"], ["HOME", "/tmp"]]);
 * ```
 */
export function withAccount(
  environment: ReadonlyMap<string, string>,
  { name, home }: Account,
): ReadonlyMap<string, string> {
  const names: [string, string][] = name === undefined ? [] : [["USER", name], ["LOGNAME", name]];
  return new Map([...names, ["HOME", home], ...environment]);
}

/**
 * Adds the address by which an app tells that it is ready.
 *
 * @param address Undefined for an app that does not tell.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const address = "/.notify";
 * assertEquals([...forNotification(new Map(), address)], [["NOTIFY_SOCKET", address]]);
 * ```
 */
export function forNotification(
  environment: ReadonlyMap<string, string>,
  address: string | undefined,
): ReadonlyMap<string, string> {
  return address === undefined ? environment : new Map([...environment, [NOTIFY_SOCKET, address]]);
}

/** Returns the environment as execve(2) takes it: `NAME=value` each. */
export function environmentEntries(environment: ReadonlyMap<string, string>): string[] {
  return [...environment].map(([name, value]) => `${name}=${value}`);
}

/** What nearly every terminal understands. */
export const ATTACHED_TERMINAL = "xterm";

/**
 * Puts the type of a program's terminal first, unless the app's manifest sets another.
 *
 * @param entries The environment, `NAME=value` each.
 * @param terminalType Undefined for a program without a terminal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(forTerminal(["A=1"], "xterm"), ["TERM=xterm", "A=1"]);
 * assertEquals(forTerminal(["A=1", "TERM=vt100"], "xterm"), ["TERM=vt100", "A=1"]);
 * assertEquals(forTerminal(["A=1"], undefined), ["A=1"]);
 * ```
 */
export function forTerminal(
  entries: readonly string[],
  terminalType: string | undefined,
): readonly string[] {
  if (terminalType === undefined) return entries;
  const isType = (entry: string) => entry.startsWith("TERM=");
  const type = entries.find(isType) ?? `TERM=${terminalType}`;
  return [type, ...entries.filter((entry) => !isType(entry))];
}
