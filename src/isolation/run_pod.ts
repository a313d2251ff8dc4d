/**
 * `run`: from the pod directory to the app's program. A pod of one app in the host's namespaces costs no process:
 * `run` becomes the app. With all others it stays: `supervised_pod.ts`.
 *
 * @module
 */

import { environmentEntries } from "../app/environment.ts";
import { type AppPlan, planApp } from "../app/plan.ts";
import { tellIgnoredPorts } from "../app/ports.ts";
import { becomeUser, prepareSyscallFilter } from "../app/privileges.ts";
import { findProgram, programCandidates } from "../app/program.ts";
import { resolveCredentials } from "../app/user.ts";
import { type Fd, replaceFileAt } from "../linux/file.ts";
import { changeDirectory } from "../linux/namespaces.ts";
import { ownProcessGroup, prepareProgram } from "../linux/process.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { saveEnvironment } from "../stage1/environment_file.ts";
import { readIsolation } from "../stage1/isolation.ts";
import { findLock, RKT_LOCK_FD } from "../stage1/lock.ts";
import { naming } from "../stage1/naming.ts";
import { loadPod, type Pod } from "../stage1/pod.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { metadataUrl, saveRuntimeConfig } from "../stage1/runtime_config.ts";
import { complain } from "../stage1/terminal.ts";
import { podCgroupName } from "./cgroup_names.ts";
import { recordCgroups } from "./cgroup_record.ts";
import { fenceUntilExec } from "./fence.ts";
import { buildRoot, moveIntoRoot } from "./app_root.ts";
import { ignoredArguments } from "./ignored_arguments.ts";
import { enterPodCgroups, openPodCgroups } from "./pod_cgroup.ts";
import { adjustOomScore, requestLabels } from "./process_attributes.ts";
import { runSupervised } from "./supervised_pod.ts";
import { type Trace, tracer } from "./trace.ts";

/**
 * Runs the pod: either this process becomes its app, or ends with its status.
 *
 * @throws {Error} when anything stands in the way; nothing is left mounted then.
 */
export function runPod(args: RunArguments): void {
  const trace = tracer("run", args.debug);
  const lock = findLock(Deno.env.get(RKT_LOCK_FD));
  const isolation = readIsolation();
  const pod = loadPod(".");
  if (isolation === "host" && isAppAlone(pod)) return becomePod(pod, args, lock, trace);
  Deno.exit(runSupervised(pod, args, { isolation, lock, trace }));
}

/** Whether there is but one thing to do: no other app to look after, and nothing to run before or after it. */
function isAppAlone({ apps }: Pod): boolean {
  return apps.length === 1 && apps.every(({ app }) => app.eventHandlers.length === 0);
}

function becomePod(pod: Pod, args: RunArguments, lock: Fd, trace: Trace): void {
  const plan = planApp(pod, pod.apps[0]!, {
    isolation: "host",
    hasNetwork: false,
    hostname: undefined,
    ids: undefined,
    dns: args.dns,
    metadataUrl: metadataUrl(args.mdsToken),
    disablePaths: args.disablePaths,
    disableCapabilities: args.disableCapabilities,
    disableSeccomp: args.disableSeccomp,
  });
  for (const line of [...ignoredArguments(args), ...tellIgnoredPorts(pod), ...plan.ignored]) {
    complain("run", line);
  }
  // Without new privileges, exec gives nothing back: what run gave up, the app would lack.
  if (!plan.isolation.privileges.noNewPrivileges) fenceUntilExec("run", trace);

  saveRuntimeConfig(args);
  saveEnvironment(plan.name, environmentEntries(plan.environment));
  replaceFileAt(lock, POD_PATHS.processGroup, `${ownProcessGroup()}\n`);
  const root = buildRoot(plan, trace);
  becomeApp(plan, { root, lock, uuid: args.uuid, trace });
}

/** What it takes to start an app whose root is built. */
interface Start {
  root: Fd;
  lock: Fd;
  uuid: string;
  trace: Trace;
}

/**
 * The order matters: what is looked up in the root comes before the host is out of sight, the pid file
 * before the privilege to write it is gone, and it comes last of all that `enter` relies on.
 */
function becomeApp(plan: AppPlan, { root, lock, uuid, trace }: Start): void {
  const credentials = resolveCredentials(root, plan.user);
  const { path, argv } = locateProgram(plan, root);
  const { privileges, resources, labels } = plan.isolation;
  const oomNotes = adjustOomScore(resources, trace);
  requestLabels(labels, trace);
  const cgroupName = podCgroupName(uuid);
  recordCgroups(lock, resources.cgroups.map(({ parent }) => `${parent}/${cgroupName}`));
  const cgroups = openPodCgroups(resources);
  moveIntoRoot(root, trace);
  naming(`${plan.field}.app.workingDirectory`, () => changeDirectory(plan.workingDirectory));
  const notes = [...oomNotes, ...enterPodCgroups(cgroups, uuid, trace)];
  for (const line of notes) complain("run", line);
  replaceFileAt(lock, POD_PATHS.pid, `${Deno.pid}\n`);
  const restrict = prepareSyscallFilter(privileges);
  trace(`user ${credentials.uid}, group ${credentials.gid}, groups ${credentials.groups}`);
  becomeUser(privileges, credentials);
  trace(`execute ${path}`);
  const environment = environmentEntries(plan.environment);
  const becomeProgram = prepareProgram({ path, argv, environment, keepFds: [lock.number] });
  // From here on the filter holds for this program as well, and it may allow as good as nothing.
  restrict();
  naming(programField(plan), becomeProgram);
}

function locateProgram(plan: AppPlan, root: Fd): { path: string; argv: string[] } {
  const [name, ...args] = plan.exec;
  const searchPath = plan.environment.get("PATH") ?? "";
  const candidates = programCandidates(name, searchPath, plan.workingDirectory);
  const path = naming(programField(plan), () => findProgram(root, name, candidates));
  return { path, argv: [path, ...args] };
}

function programField({ field }: AppPlan): string {
  return `${field}.app.exec[0]`;
}
