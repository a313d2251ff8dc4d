/**
 * `enter`: a command inside a running app, as that app: its namespaces, cgroup, root, environment,
 * credentials and restrictions.
 *
 * @module
 */

import { clearInherited } from "../linux/capability_sets.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openFile, openInRoot } from "../linux/open.ts";
import { ownVariable } from "../linux/proc.ts";
import { isDevpts, openPty, type Pty } from "../linux/terminal.ts";
import { hostId, parsePrivateUsers } from "../plan/id_range.ts";
import { isolatorsOfApp, isolatorsOfPod } from "../plan/isolators.ts";
import { planPrivileges, type PrivilegePlan } from "../plan/process/privileges.ts";
import { type LabelPlan, needSecurityModules, planLabels } from "../plan/process/security_label.ts";
import { openAppEntry } from "../process/app_entry.ts";
import { withLabelContext } from "../process/labels.ts";
import { type Launch, launch } from "../process/launch.ts";
import { selfConfine } from "../process/self_confine.ts";
import { findProgram } from "../rootfs/program.ts";
import type { EnterArguments } from "../stage1/arguments.ts";
import { loadCredentials } from "../stage1/credentials_file.ts";
import { loadEnvironment } from "../stage1/environment_file.ts";
import { readFlavor } from "../stage1/flavor.ts";
import { debugLog } from "../stage1/log.ts";
import { findApp, loadPodOf, type Pod, type PodApp } from "../stage1/pod.ts";
import { loadDisabledIsolators, loadPrivateUsers } from "../stage1/runtime_config.ts";
import { CallerStreams } from "../stream/caller_streams.ts";
import { lookAtSecurityModules } from "./host_facts.ts";
import { forwardSignals } from "./signal_proxy.ts";

/** The only variable of the caller's that a command gets: it names the type of the terminal. */
export const TERM = "TERM";

/** The restrictions of an app, which hold for commands in it as well. */
interface Restrictions {
  privileges: PrivilegePlan;
  labels: LabelPlan;
}

/**
 * Runs a command in a running app, and ends as it does.
 *
 * @throws {Error} when the app is not the pod's, does not run, or has no such command.
 */
export function enterPod({ pid, appName, command, ...args }: EnterArguments): never {
  const debug = debugLog("enter", args.debug);
  const pod = loadPodOf(appName);
  const app = findApp(pod, appName);
  const environment = withTerm(loadEnvironment(appName), ownVariable(TERM));
  const restrictions = planRestrictions(pod, app);
  const credentials = loadCredentials(appName);
  const users = loadPrivateUsers();
  clearInherited();
  selfConfine("enter", debug);

  const entry = openAppEntry(pid, appName);
  const ids = entry.users && parsePrivateUsers(users);
  const program = findProgram(entry.root, { exec: command, environment, workingDirectory: "/" });
  const kinds = entry.namespaces.map(({ kind }) => kind);
  debug(`join ${entry.pid}: cgroups ${entry.cgroups.length}, namespaces ${kinds.join(", ")}`);
  debug(`user ${credentials.uid}, group ${credentials.gid}, groups ${credentials.groups}`);
  const paths = program.files.map(({ path }) => path);
  debug(`execute ${command[0]} as ${paths.join(" or ")}`);
  const streams = new CallerStreams({
    openTerminal: () => openTerminal(entry.root),
    uid: hostId(credentials.uid, ids),
  });
  const process: Launch = {
    ...entry,
    ...restrictions,
    ownCgroupNamespace: false,
    credentials,
    workingDirectory: entry.root,
    proc: openFile("/proc", O_PATH | O_DIRECTORY),
    // As with a shell, the command's name is what its caller typed.
    program: { ...program, files: program.files.map((file) => ({ ...file, argv: command })) },
    streams: streams.stdio,
  };
  const start = () => withLabelContext(restrictions.labels, () => launch(process));
  forwardSignals(
    streams,
    start,
    () => selfConfine(streams.hasGiven ? "lending" : "waiting", debug),
  );
}

/**
 * Makes the command's terminal: in the app's /dev/pts, so that it has a name that the app can look
 * up; in the host's, where the app has none, or has taken all that its pod may have.
 */
function openTerminal(root: Fd): Pty {
  using own = openOwnTerminals(root);
  try {
    if (own) return openPty(own);
  } catch (error) {
    if (!failedWith(error, "ENOSPC")) throw error;
  }
  using hosts = openFile("/dev/pts", O_PATH | O_DIRECTORY);
  return openPty(hosts);
}

function openOwnTerminals(root: Fd): Fd | undefined {
  try {
    const terminals = openInRoot(root, "/dev/pts", O_PATH | O_DIRECTORY);
    if (isDevpts(terminals)) return terminals;
    terminals[Symbol.dispose]();
  } catch (error) {
    if (!failedWith(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES")) throw error;
  }
  return undefined;
}

/** Plans the restrictions of a command as `run` planned the app's. `run` has printed the notes. */
function planRestrictions(pod: Pod, app: PodApp): Restrictions {
  const ofApp = isolatorsOfApp(app);
  const ofPod = isolatorsOfPod(pod);
  const options = { ...loadDisabledIsolators(), restrictByDefault: readFlavor() === "isolated" };
  const modules = lookAtSecurityModules(needSecurityModules([ofApp, ofPod]));
  return {
    privileges: planPrivileges(ofApp, options),
    labels: planLabels(ofApp, ofPod, modules),
  };
}

/**
 * Returns the app's environment for a command that has the caller's type of terminal.
 *
 * @param term The caller's `TERM`, if it has one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(withTerm(["A=1", "TERM=vt100"], "xterm"), ["A=1", "TERM=xterm"]);
 * assertEquals(withTerm(["A=1"], undefined), ["A=1"]);
 * ```
 */
export function withTerm(environment: readonly string[], term: string | undefined): string[] {
  if (term === undefined) return [...environment];
  return [...environment.filter((entry) => !entry.startsWith("TERM=")), `TERM=${term}`];
}
