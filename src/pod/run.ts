/**
 * `run`: from the pod directory to the app's program. A pod of one app in the host's namespaces
 * costs no process: `run` becomes the app. With all others it stays: `supervised_pod.ts`.
 *
 * @module
 */

import { enterPodCgroups, openPodCgroups } from "../cgroup/own.ts";
import { saveCgroupPaths } from "../cgroup/paths_file.ts";
import { clearInherited } from "../linux/capabilities.ts";
import type { Credentials } from "../linux/credentials.ts";
import type { Fd } from "../linux/fd.ts";
import { openInit } from "../linux/init.ts";
import { openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { ownProcessGroup } from "../linux/process.ts";
import { replaceFileAt } from "../linux/read_write.ts";
import { isTerminal } from "../linux/terminal.ts";
import { type AppOptions, type AppPlan, planApp } from "../plan/app.ts";
import { podCgroupName } from "../plan/cgroup/names.ts";
import { environmentEntries } from "../plan/environment.ts";
import { ignoredArguments } from "../plan/ignored_arguments.ts";
import { tellIgnoredPorts } from "../plan/network/ports.ts";
import type { PrivilegePlan } from "../plan/process/privileges.ts";
import { adjustOomScore, tryLabels } from "../process/labels.ts";
import { execApp } from "../process/launch.ts";
import { startLockHolder } from "../process/lock_holder.ts";
import { selfConfineUntilExec } from "../process/self_confine.ts";
import { buildRoot, moveIntoRoot } from "../rootfs/app_root.ts";
import { resolveCredentials } from "../rootfs/users.ts";
import { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { withContext } from "../stage1/context.ts";
import { saveCredentials } from "../stage1/credentials_file.ts";
import { saveEnvironment } from "../stage1/environment_file.ts";
import { readFlavor } from "../stage1/flavor.ts";
import { findLock, RKT_LOCK_FD } from "../stage1/lock.ts";
import { type Debug, debugLog, warn } from "../stage1/log.ts";
import { loadPod, type Pod } from "../stage1/pod.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { metadataUrl, saveRuntimeConfig } from "../stage1/runtime_config.ts";
import { forTerminal, locateProgram, openWorkingDirectory } from "./app.ts";
import { runSupervised } from "./run_supervised.ts";

/**
 * Runs the pod: either this process becomes its app, or ends with its status.
 *
 * @throws {Error} when anything stands in the way; nothing is left mounted then.
 */
export function runPod(args: RunArguments): void {
  const debug = debugLog("run", args.debug);
  const lock = findLock(Deno.env.get(RKT_LOCK_FD));
  const flavor = readFlavor();
  const pod = loadPod(".");
  if (flavor === "host" && isAppAlone(pod)) return runSingleApp(pod, args, lock, debug);
  Deno.exit(runSupervised(pod, args, { flavor, lock, debug }));
}

/**
 * Whether there is but one thing to do: no other app to look after, and nothing to run before or
 * after it.
 */
function isAppAlone({ apps }: Pod): boolean {
  return apps.length === 1 && apps.every(({ app }) => app.eventHandlers.length === 0);
}

function runSingleApp(pod: Pod, args: RunArguments, lock: Fd, debug: Debug): void {
  using sources = new VolumeSources();
  const options: AppOptions = {
    flavor: "host",
    hasNetwork: false,
    hostname: undefined,
    ids: undefined,
    dns: args.dns,
    metadataUrl: metadataUrl(args.mdsToken),
    disablePaths: args.disablePaths,
    disableCapabilities: args.disableCapabilities,
    disableSeccomp: args.disableSeccomp,
  };
  const plan = planApp(pod, pod.apps[0]!, options, sources);
  for (const line of [...ignoredArguments(args), ...tellIgnoredPorts(pod), ...plan.ignored]) {
    warn("run", line);
  }
  selfConfineUntilExec("run", debug);

  saveRuntimeConfig(args);
  saveEnvironment(plan.name, environmentEntries(plan.environment));
  replaceFileAt(lock, POD_PATHS.processGroup, `${ownProcessGroup()}\n`);
  const host = openNamespace("self", "mnt");
  const root = buildRoot(plan, sources, debug);
  leaveForApp(plan, { root, host, lock, uuid: args.uuid, debug });
}

/** What it takes to become an app whose root is built. */
interface Start {
  root: Fd;
  /** The host's mount namespace. */
  host: Fd;
  lock: Fd;
  uuid: string;
  debug: Debug;
}

/**
 * The order matters: what is looked up in the root, or needs the host's files, comes before the
 * host is out of sight; the pid file comes last of all that `enter` relies on.
 */
function leaveForApp(plan: AppPlan, { root, host, lock, uuid, debug }: Start): never {
  const { privileges, resources, labels } = plan.isolators;
  const credentials = resolveCredentials(root, plan.user);
  saveCredentials(plan.name, credentials);
  const workingDirectory = openWorkingDirectory(plan, root);
  const program = withContext(programField(plan), () => locateProgram(plan, root, plan.exec));
  const proc = openFile("/proc", O_PATH | O_DIRECTORY);
  tryLabels(labels, proc);
  const init = openInit(POD_PATHS.init);
  const kept = isRestricted(privileges, credentials) ? startLockHolder(lock, host) : lock;
  const oomNotes = adjustOomScore(resources, debug);
  const cgroupName = podCgroupName(uuid);
  saveCgroupPaths(lock, resources.cgroups.map(({ parent }) => `${parent}/${cgroupName}`));
  const cgroups = openPodCgroups(resources);
  moveIntoRoot(root, debug);
  const notes = [...oomNotes, ...enterPodCgroups(cgroups, uuid, debug)];
  for (const line of notes) warn("run", line);
  replaceFileAt(lock, POD_PATHS.pid, `${Deno.pid}\n`);
  debug(`user ${credentials.uid}, group ${credentials.gid}, groups ${credentials.groups}`);
  debug(`execute ${program.path}`);
  // What is inherited passes by the bounding set.
  if (privileges.capabilities) clearInherited();
  const terminal = { hasTerminal: isTerminal(0), terminalType: Deno.env.get("TERM") };
  const environment = environmentEntries(forTerminal(plan.environment, terminal));
  const identity = { workingDirectory, labels, proc, credentials, privileges };
  return execApp(
    { ...identity, program: { ...program, environment } },
    init,
    kept,
    (call) => `run: ${call.startsWith("execve") ? `${programField(plan)}: ` : ""}${call}: `,
  );
}

/** Whether an app is kept from anything that the root of the host can do. */
function isRestricted(
  { capabilities, seccomp, noNewPrivileges }: PrivilegePlan,
  { uid }: Credentials,
): boolean {
  return uid !== 0 || noNewPrivileges || capabilities !== undefined || seccomp !== undefined;
}

function programField({ field }: AppPlan): string {
  return `${field}.app.exec[0]`;
}
