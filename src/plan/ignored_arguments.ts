/**
 * Arguments that stage0 may pass, and that have no effect on a pod in the host's namespaces.
 *
 * @module
 */

import type { RunArguments } from "../stage1/arguments.ts";

/**
 * Notes which arguments have no effect in the host's namespaces, and why: one line each.
 *
 * `--net=default` is not noted: stage0 passes it also when the user gave no `--net`.
 */
export function ignoredArguments(args: RunArguments): string[] {
  const ignored: string[] = [];
  if (args.net !== "default" && args.net !== "host") {
    ignored.push(`--net=${args.net}: ignored: the app is in the host's network`);
  }
  if (args.hostname !== "") {
    ignored.push(`--hostname=${args.hostname}: ignored: the app has the host's name`);
  }
  if (args.privateUsers !== "") {
    ignored.push(`--private-users=${args.privateUsers}: ignored: the app has the host's user ids`);
  }
  if (args.ipc === "private") ignored.push("--ipc=private: ignored: the app has the host's IPC");
  return ignored;
}
