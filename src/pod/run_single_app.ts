/**
 * `run` for a pod of one app in the host's namespaces: this very process becomes the app.
 *
 * @module
 */

import { enterOwnCgroups, openOwnCgroups } from "../cgroup/own.ts";
import { saveCgroupPaths } from "../cgroup/paths_file.ts";
import { clearInherited } from "../linux/capability_sets.ts";
import type { Credentials } from "../linux/credentials.ts";
import { Fd } from "../linux/fd.ts";
import { openInit } from "../linux/init.ts";
import { openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import type { AppPlan } from "../plan/app.ts";
import {
  environmentEntries,
  forNotification,
  forTerminal,
  withAccount,
} from "../plan/environment.ts";
import type { SingleAppPlan } from "../plan/pod.ts";
import type { PrivilegePlan } from "../plan/process/privileges.ts";
import { heardSignals } from "../plan/stop.ts";
import { tryLabels } from "../process/labels.ts";
import { execApp } from "../process/launch.ts";
import { startLockHolder } from "../process/lock_holder.ts";
import { adjustOomScore } from "../process/oom_score.ts";
import { selfConfine } from "../process/self_confine.ts";
import { buildRoot, moveIntoRoot } from "../rootfs/app_root.ts";
import { findProgram, openWorkingDirectory } from "../rootfs/program.ts";
import { resolveUser } from "../rootfs/users.ts";
import { withContext } from "../stage1/context.ts";
import { saveCredentials } from "../stage1/credentials_file.ts";
import { saveEnvironment } from "../stage1/environment_file.ts";
import { printable, warn } from "../stage1/log.ts";
import { placePid, preparePid } from "../stage1/pid_file.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { describeProcess, saveProcesses } from "../stage1/processes_file.ts";
import { markReady, openReadiness, prepareReadiness } from "../stage1/readiness.ts";
import { openServiceManager } from "../stage1/service_manager.ts";
import { GivenStreams } from "../stream/given_streams.ts";
import type { PodContext } from "./context.ts";
import { openActivation } from "./given_sockets.ts";
import { HOSTS_NETWORK } from "./network.ts";
import { saveRun } from "./save_run.ts";

/**
 * Builds the app's root, and becomes the app.
 *
 * The order matters. What is looked up in the root, or needs the host's files, comes before the
 * host is out of sight. The cgroups come as late as possible, so that little of what this process
 * uses counts as the app's. The pid file comes last of all that `enter` relies on, and behind it
 * the mark of a ready pod: only `execve` is left to fail then.
 *
 * @throws {Error} when anything stands in the way; nothing is left mounted then.
 */
export function runSingleApp(
  { cgroups, apps: [app], manager: address, notes: planNotes }: SingleAppPlan,
  context: PodContext,
): never {
  const { lock, debug } = context;
  const plan = app!;
  const { privileges, oomScore, labels } = plan.isolators;
  for (const line of planNotes) warn("run", line);
  selfConfine("run", debug);
  saveRun({ args: context.args, network: HOSTS_NETWORK });
  const host = openNamespace("self", "mnt");
  // An app that tells of itself is not spoken for.
  using manager = openServiceManager(plan.notification ? undefined : address);
  const { root, notes: rootNotes } = buildRoot(plan, context.sources, debug);
  for (const line of rootNotes) warn("run", line);
  context.sources[Symbol.dispose]();

  const { credentials, account } = resolveUser(root, plan.user);
  const variables = withAccount(plan.environment, account);
  saveCredentials(plan.name, credentials);
  saveEnvironment(plan.name, environmentEntries(variables));
  const workingDirectory = openWorkingDirectory(plan, root);
  const environment = forTerminal(
    environmentEntries(forNotification(variables, plan.notification?.variable)),
    plan.terminalType,
  );
  const program = withContext(
    programField(plan),
    () => findProgram(root, { ...plan, environment }),
  );
  const proc = openFile("/proc", O_PATH | O_DIRECTORY);
  tryLabels(labels, proc);
  const init = openInit(POD_PATHS.init);
  const kept = isRestricted(privileges, credentials) ? holdLock(lock, host, credentials) : lock;
  const oomNotes = adjustOomScore(oomScore, debug);
  saveCgroupPaths(cgroups.map(({ path }) => path));
  const cgroupDirectories = openOwnCgroups(cgroups);
  const process = describeProcess(plan.name, Deno.pid, openNamespace("self", "mnt"));
  saveProcesses(lock, [{ ...process, stopSignal: plan.stop.signal }]);
  preparePid(lock, Deno.pid);
  const readiness = openReadiness(lock);
  prepareReadiness(readiness);

  moveIntoRoot(root, debug);
  const notes = [...oomNotes, ...enterOwnCgroups(cgroups, cgroupDirectories, debug)];
  for (const line of notes) warn("run", line);
  placePid(lock);
  markReady(readiness);
  manager.tell("READY=1");
  debug(`user ${credentials.uid}, group ${credentials.gid}, groups ${credentials.groups}`);
  debug(`execute ${program.files.map(({ path }) => path).join(" or ")}`);
  // What is inherited passes by the bounding set.
  if (privileges.capabilities) clearInherited();
  const activation = openActivation(plan.activation);
  const identity = { workingDirectory, labels, proc, credentials, privileges, activation };
  return execApp(
    { ...identity, program, heard: heardSignals(plan.stop) },
    init,
    kept,
    (call, name) =>
      printable(`run: ${name === "execve" ? `${programField(plan)}: ` : ""}${call}: `),
  );
}

/** Leaves the lock, and the streams that are given to the app, to the lock holder. */
function holdLock(lock: Fd, host: Fd, { uid }: Credentials): Fd {
  using undo = new DisposableStack();
  const given = undo.use(new GivenStreams());
  for (const number of [0, 1, 2]) given.give(new Fd(number), uid);
  const kept = startLockHolder(lock, host, given.all);
  undo.move();
  return kept;
}

/** Tells whether an app is kept from anything that the root of the host can do. */
function isRestricted(
  { capabilities, seccomp, noNewPrivileges }: PrivilegePlan,
  { uid }: Credentials,
): boolean {
  return uid !== 0 || noNewPrivileges || capabilities !== undefined || seccomp !== undefined;
}

function programField({ field }: AppPlan): string {
  return `${field}.app.exec[0]`;
}
