/**
 * `enter`: a command inside a running app, as that app: its root, environment and credentials.
 *
 * @module
 */

import { findProgram, programCandidates } from "../app/program.ts";
import { resolveCredentials } from "../app/user.ts";
import { requestUser } from "../app/plan.ts";
import { takeCredentials } from "../linux/credentials.ts";
import { type Fd, O_DIRECTORY, O_PATH, openFile } from "../linux/file.ts";
import { changeRoot, joinMounts, openMountNamespace } from "../linux/namespaces.ts";
import { execute } from "../linux/process.ts";
import type { EnterArguments } from "../stage1/arguments.ts";
import { loadEnvironment } from "../stage1/environment_file.ts";
import { loadPod, type PodApp } from "../stage1/pod.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import { fenceUntilExec } from "./fence.ts";
import { isMember } from "./members.ts";
import { type Trace, tracer } from "./trace.ts";

/** The one variable of the caller's that the command gets: it describes the caller's terminal. */
export const TERM = "TERM";

/**
 * Runs a command in a running app: on success this process is the command's.
 *
 * @throws {Error} when the app is not the pod's, does not run, or has no such command.
 */
export function enterPod({ pid, appName, command, debug }: EnterArguments): void {
  const trace = tracer("enter", debug);
  const app = findApp(appName);
  const environment = withTerm(loadEnvironment(appName), Deno.env.get(TERM));
  fenceUntilExec("enter", trace);
  const root = joinApp(pid, app, trace);

  const credentials = resolveCredentials(root, requestUser(app));
  const [name = "", ...args] = command;
  const searchPath = environment.find((entry) => entry.startsWith("PATH="))?.slice(5) ?? "";
  const path = findProgram(root, name, programCandidates(name, searchPath, "/"));
  changeRoot(root);
  trace(`user ${credentials.uid}, group ${credentials.gid}, groups ${credentials.groups}`);
  takeCredentials(credentials);
  trace(`execute ${name} as ${path}`);
  execute({ path, argv: [name, ...args], environment, keepFds: [] });
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

function findApp(appName: string): PodApp {
  const app = loadPod(".").apps.find(({ name }) => name === appName);
  if (app === undefined) throw new Error(`--appname: this pod has no app "${appName}"`);
  return app;
}

/**
 * What is needed of the process is opened before its namespace is joined, since /proc may look different
 * there. That it is the pod's is asked both before and after, should its number change hands meanwhile.
 */
function joinApp(pid: number, app: PodApp, trace: Trace): Fd {
  requireMember(pid, app);
  const namespace = openMountNamespace(pid);
  const root = openFile(`/proc/${pid}/root`, O_PATH | O_DIRECTORY);
  requireMember(pid, app);
  trace(`join the mount namespace of ${pid}`);
  joinMounts(namespace);
  return root;
}

function requireMember(pid: number, app: PodApp): void {
  if (isMember(pid, appRootfs(app.name))) return;
  throw new Error(`--pid: ${pid} is not a process of app "${app.name}" of this pod`);
}
