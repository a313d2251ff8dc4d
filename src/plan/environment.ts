/**
 * An app's environment: appc spec, `spec/ace.md`, "Execution Environment".
 *
 * @module
 */

import type { EnvironmentVariable } from "../appc/manifest.ts";

/** What an app gets that does not say otherwise. */
const DEFAULTS: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  SHELL: "/bin/sh",
  USER: "root",
  LOGNAME: "root",
  HOME: "/root",
};

/** How systemd and others recognise that they run under rkt. */
const CONTAINER = "rkt";

/**
 * Puts together an app's environment: the defaults, then what the app declares, then what the executor
 * alone can know and an app cannot override.
 *
 * @param declared The variables that the app's manifest sets.
 * @param metadataUrl Where the pod's metadata service is, if it has one.
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

/** The environment as execve(2) takes it: `NAME=value` each. */
export function environmentEntries(environment: ReadonlyMap<string, string>): string[] {
  return [...environment].map(([name, value]) => `${name}=${value}`);
}

/**
 * Adds the type of the terminal that a program has, unless the app's manifest says otherwise.
 *
 * @param terminalType The caller's `TERM`; nothing for a program without a terminal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([...forTerminal(new Map([["A", "1"]]), "xterm")], [["TERM", "xterm"], ["A", "1"]]);
 * assertEquals(forTerminal(new Map([["TERM", "vt100"]]), "xterm").get("TERM"), "vt100");
 * ```
 */
export function forTerminal(
  environment: ReadonlyMap<string, string>,
  terminalType: string | undefined,
): ReadonlyMap<string, string> {
  if (terminalType === undefined) return environment;
  return new Map([["TERM", terminalType], ...environment]);
}
