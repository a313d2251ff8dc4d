/**
 * `enter`: a command inside a running app, as that app: its namespaces, cgroup, root, environment, credentials and
 * restrictions.
 *
 * @module
 */

import { readIsolators } from "../appc/isolators.ts";
import { parsePrivateUsers } from "../app/id_range.ts";
import { requestUser } from "../app/plan.ts";
import {
  planPrivileges,
  type PrivilegePlan,
  recordSyscallFilter,
  recordUser,
} from "../app/privileges.ts";
import { findProgram, programCandidates } from "../app/program.ts";
import { type LabelPlan, lookAtSecurityModules, planLabels } from "../app/security_label.ts";
import { resolveCredentials } from "../app/user.ts";
import type { CallScript } from "../linux/call_script.ts";
import { clearInherited } from "../linux/capabilities.ts";
import type { Credentials } from "../linux/credentials.ts";
import { type Fd, O_PATH, openFile } from "../linux/file.ts";
import { recordDieWith, startProcess } from "../linux/init.ts";
import { withChildrenIn } from "../linux/namespaces.ts";
import { resetSignals } from "../linux/process.ts";
import type { EnterArguments } from "../stage1/arguments.ts";
import { loadEnvironment } from "../stage1/environment_file.ts";
import { readIsolation } from "../stage1/isolation.ts";
import { loadPod, type Pod, type PodApp } from "../stage1/pod.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { loadDisabledIsolators, loadPrivateUsers } from "../stage1/runtime_config.ts";
import { type AppEntry, descriptorsOf, openAppEntry, recordEntry } from "./app_entry.ts";
import { fenceForGood, fenceUntilExec } from "./fence.ts";
import { namingLabels, recordLabels } from "./process_attributes.ts";
import { standInFor } from "./proxy.ts";
import { tracer } from "./trace.ts";

/** The one variable of the caller's that the command gets: it describes the caller's terminal. */
export const TERM = "TERM";

/** A command of a user's, found in the app. */
interface Command {
  path: string;
  argv: string[];
  environment: string[];
  credentials: Credentials;
  restrictions: Restrictions;
}

/** What of an app's isolators holds for its commands as well. */
interface Restrictions {
  privileges: PrivilegePlan;
  labels: LabelPlan;
}

/**
 * Runs a command in a running app, and ends as it does.
 *
 * @throws {Error} when the app is not the pod's, does not run, or has no such command.
 */
export function enterPod({ pid, appName, command, debug }: EnterArguments): never {
  const trace = tracer("enter", debug);
  const pod = loadPod(".");
  const app = findApp(pod, appName);
  const environment = withTerm(loadEnvironment(appName), Deno.env.get(TERM));
  const restrictions = planRestrictions(pod, app);
  clearInherited();
  fenceUntilExec("enter", trace);

  const entry = openAppEntry(pid, appName);
  const ids = entry.userNamespace && parsePrivateUsers(loadPrivateUsers());
  const credentials = resolveCredentials(entry.root, requestUser(app), ids);
  const path = locate(entry.root, command, environment);
  const kinds = entry.namespaces.map(({ kind }) => kind);
  trace(`join ${entry.pid}: cgroups ${entry.cgroups.length}, namespaces ${kinds.join(", ")}`);
  trace(`user ${credentials.uid}, group ${credentials.gid}, groups ${credentials.groups}`);
  trace(`execute ${command[0]} as ${path}`);
  const start = () =>
    startInApp(entry, { path, argv: command, environment, credentials, restrictions });
  standInFor(start, () => fenceForGood("waiting", trace));
}

/**
 * What is taken from the app is taken from its commands as well. What of it has no effect, `run` has said.
 */
function planRestrictions({ manifest }: Pod, { app, field }: PodApp): Restrictions {
  const ofApp = readIsolators(app.isolators, `${field}.app.isolators`);
  const ofPod = readIsolators(manifest.isolators, "isolators");
  const options = { ...loadDisabledIsolators(), restrictByDefault: readIsolation() === "pod" };
  return {
    privileges: planPrivileges(ofApp, options),
    labels: planLabels(ofApp, ofPod, lookAtSecurityModules([ofApp, ofPod])),
  };
}

function locate(root: Fd, [name = ""]: readonly string[], environment: readonly string[]): string {
  const searchPath = environment.find((entry) => entry.startsWith("PATH="))?.slice(5) ?? "";
  return findProgram(root, name, programCandidates(name, searchPath, "/"));
}

function startInApp(entry: AppEntry, command: Command): number {
  const { labels } = command.restrictions;
  using spare = openFile("/", O_PATH);
  const start = () =>
    startProcess({
      init: POD_PATHS.init,
      fds: [...descriptorsOf(entry), spare],
      record: (script, starter) => {
        recordLabels(labels, spare, script);
        recordCommand(entry, command, starter, script);
      },
    });
  return namingLabels(
    labels,
    () => entry.pidNamespace ? withChildrenIn(entry.pidNamespace, start) : start(),
  );
}

function recordCommand(
  entry: AppEntry,
  command: Command,
  starter: Fd,
  script: CallScript,
): void {
  const { path, argv, environment, credentials, restrictions: { privileges } } = command;
  resetSignals(script.call);
  recordEntry(entry, script);
  recordUser(privileges, credentials, script.call);
  recordDieWith(starter, script);
  recordSyscallFilter(privileges, script.call);
  script.call("execve", path, [...argv, null], [...environment, null]);
}

/**
 * The app's environment, for the caller's terminal.
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

function findApp({ apps }: Pod, appName: string): PodApp {
  const app = apps.find(({ name }) => name === appName);
  if (app === undefined) throw new Error(`--appname: this pod has no app "${appName}"`);
  return app;
}
