/**
 * The processes of an app in a pod that is supervised: how each comes into the app's root, namespaces, limits and
 * privileges.
 *
 * @module
 */

import { environmentEntries } from "../app/environment.ts";
import type { PodTreeStep, RebindStep } from "../app/mount_plan.ts";
import type { AppPlan } from "../app/plan.ts";
import { recordSyscallFilter, recordUser } from "../app/privileges.ts";
import { findProgram, programCandidates } from "../app/program.ts";
import { resolveCredentials } from "../app/user.ts";
import type { CallScript } from "../linux/call_script.ts";
import type { Credentials } from "../linux/credentials.ts";
import { type Fd, O_DIRECTORY, O_PATH, openFile, openInRoot } from "../linux/file.ts";
import { recordDieWith, startProcess } from "../linux/init.ts";
import { takeTerminal } from "../linux/terminal.ts";
import type { Stdio } from "./streams.ts";
import { CLONE_NEWUSER, inOwnMounts, openNamespace, withChildrenIn } from "../linux/namespaces.ts";
import { resetSignals } from "../linux/process.ts";
import { naming } from "../stage1/naming.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { assembleRoot, moveIntoRoot } from "./app_root.ts";
import { recordJoinCgroups } from "./cgroup_tree.ts";
import { type PodNamespaces, recordJoin } from "./pod_namespaces.ts";
import { clonePodTrees, type OwnRoot, recordMoveInto } from "./pod_root.ts";
import { recordLabels } from "./process_attributes.ts";
import type { Trace } from "./trace.ts";

/** An app whose root is built. */
export interface BuiltApp {
  plan: AppPlan;
  root: OwnRoot;
  credentials: Credentials;
  /** The cgroups that its processes join: each one's entrance. */
  cgroups: readonly Fd[];
}

/** A program of an app, as its manifest names it. */
export interface AppProgram {
  exec: readonly [string, ...string[]];
  credentials: Credentials;
  /** Where the manifest has it. */
  field: string;
}

/**
 * Builds an app's root, in a mount namespace of the app's own.
 *
 * @param console The path in the root of what the app is to have as its console.
 * @param cgroups Those that its processes join: each one's entrance.
 * @throws {Error} which names the manifest's field that could not be done.
 */
export function buildApp(
  plan: AppPlan,
  console: string,
  namespaces: PodNamespaces | undefined,
  cgroups: readonly Fd[],
  trace: Trace,
): BuiltApp {
  const steps = plan.mounts.filter((step): step is PodTreeStep => step.kind === "pod-tree");
  const trees = namespaces ? clonePodTrees(namespaces.root, steps) : new Map();
  const root = inOwnMounts(() => {
    const namespace = openNamespace("self", "mnt");
    const mounts = [...plan.mounts, ...(namespaces ? [bindConsole(console)] : [])];
    const root = assembleRoot({ ...plan, mounts }, trees, trace);
    moveIntoRoot(root, trace);
    return { mounts: namespace, root };
  });
  return { plan, root, credentials: resolveCredentials(root.root, plan.user, plan.ids), cgroups };
}

function bindConsole(source: string): RebindStep {
  return { kind: "rebind", source, target: "/dev/console", readOnly: true, field: "/dev/console" };
}

/**
 * Starts one of the app's programs.
 *
 * @returns Its process id, as this process sees it.
 * @throws {Error} which names the manifest's field, when the program cannot be found or started.
 */
export function startProgram(
  app: BuiltApp,
  program: AppProgram,
  namespaces: PodNamespaces | undefined,
  stdio: Stdio,
): number {
  const { plan, root } = app;
  const environment = environmentEntries(forTerminal(plan.environment, stdio));
  using spare = openFile("/", O_PATH);
  requireWorkingDirectory(app);
  return naming(`${program.field}.exec[0]`, () => {
    const path = locate(app, program);
    const argv = [path, ...program.exec.slice(1)];
    const start = () =>
      startProcess({
        init: POD_PATHS.init,
        fds: [
          root.mounts,
          root.root,
          ...(namespaces?.joined ?? []).map(({ fd }) => fd),
          ...(namespaces?.users ? [namespaces.users] : []),
          ...stdio.fds,
          ...app.cgroups,
          spare,
        ],
        record: (script, starter) => {
          recordJoinCgroups(app.cgroups, script);
          recordLabels(plan.isolation.labels, spare, script);
          recordEntry(app, namespaces, stdio, script);
          recordUser(plan.isolation.privileges, program.credentials, script.call);
          // With a PID namespace all of the pod does so; elsewhere it is for `gc` to find the others.
          recordDieWith(starter, script);
          recordSyscallFilter(plan.isolation.privileges, script.call);
          script.call("execve", path, [...argv, null], [...environment, null]);
        },
      });
    return namespaces ? withChildrenIn(namespaces.pidNamespace, start) : start();
  });
}

/** Who has a terminal has to know what it can do, unless its manifest says so. */
function forTerminal(
  environment: ReadonlyMap<string, string>,
  { hasTerminal, terminalType }: Stdio,
): ReadonlyMap<string, string> {
  if (!hasTerminal || terminalType === undefined) return environment;
  return new Map([["TERM", terminalType], ...environment]);
}

/** Looked for beforehand, as what fails later is the program's start. */
function requireWorkingDirectory({ plan, root }: BuiltApp): void {
  naming(
    `${plan.field}.app.workingDirectory`,
    () => openInRoot(root.root, plan.workingDirectory, O_PATH | O_DIRECTORY),
  )[Symbol.dispose]();
}

function locate({ plan, root }: BuiltApp, { exec: [name] }: AppProgram): string {
  const searchPath = plan.environment.get("PATH") ?? "";
  return findProgram(root.root, name, programCandidates(name, searchPath, plan.workingDirectory));
}

/** All that takes the host's privileges, which end with the user namespace. */
function recordEntry(
  { plan, root }: BuiltApp,
  namespaces: PodNamespaces | undefined,
  { fds, hasTerminal, isCallers }: Stdio,
  script: CallScript,
): void {
  const { call } = script;
  resetSignals(call);
  if (namespaces) recordJoin(namespaces, script);
  recordMoveInto(root, script);
  call("chdir", plan.workingDirectory);
  if (!isCallers) call("setsid");
  fds.forEach(({ number }, fd) => {
    if (number !== fd) call("dup3", number, fd, 0);
  });
  if (hasTerminal) takeTerminal(0, call);
  if (namespaces?.users) call("setns", namespaces.users.number, CLONE_NEWUSER);
}
