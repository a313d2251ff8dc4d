/**
 * `run`: from the pod directory to the app's program.
 *
 * @module
 */

import { environmentEntries } from "../app/environment.ts";
import { type AppPlan, type EventProgram, planApp } from "../app/plan.ts";
import { becomeUser, prepareSyscallFilter } from "../app/privileges.ts";
import { findProgram, programCandidates } from "../app/program.ts";
import { resolveCredentials } from "../app/user.ts";
import { type Fd, replaceFileAt } from "../linux/file.ts";
import { changeDirectory } from "../linux/namespaces.ts";
import {
  ignoreSignals,
  ownProcessGroup,
  prepareProgram,
  type Program,
  runToEnd,
  start,
  waitFor,
} from "../linux/process.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { saveEnvironment } from "../stage1/environment_file.ts";
import { findLock, RKT_LOCK_FD } from "../stage1/lock.ts";
import { loadPod, type Pod, type PodApp } from "../stage1/pod.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { metadataUrl, saveRuntimeConfig } from "../stage1/runtime_config.ts";
import { complain } from "../stage1/terminal.ts";
import { buildRoot, moveIntoRoot } from "./host_namespaces.ts";
import { type Trace, tracer } from "./trace.ts";
import { naming } from "../stage1/naming.ts";
import { enterPodCgroups, openPodCgroups } from "./pod_cgroup.ts";
import { adjustOomScore, requestLabels } from "./process_attributes.ts";
import { fenceUntilExec } from "./fence.ts";

/**
 * Starts the pod: on success this process is the app's.
 *
 * @throws {Error} when anything stands in the way; nothing is left mounted then.
 */
export function runPod(args: RunArguments): void {
  const trace = tracer("run", args.debug);
  const lock = findLock(Deno.env.get(RKT_LOCK_FD));
  const pod = loadPod(".");
  const plan = planApp(pod, onlyApp(pod), {
    dns: args.dns,
    metadataUrl: metadataUrl(args.mdsToken),
    disablePaths: args.disablePaths,
    disableCapabilities: args.disableCapabilities,
    disableSeccomp: args.disableSeccomp,
  });
  for (const line of [...ignoredArguments(args), ...plan.ignored]) complain("run", line);
  // Without new privileges, exec gives nothing back: what run gave up, the app would lack.
  if (!plan.isolation.privileges.noNewPrivileges) fenceUntilExec("run", trace);

  saveRuntimeConfig(args);
  saveEnvironment(plan.name, environmentEntries(plan.environment));
  replaceFileAt(lock, POD_PATHS.processGroup, `${ownProcessGroup()}\n`);
  const root = buildRoot(plan, trace);
  becomeApp(plan, { root, lock, uuid: args.uuid, trace });
}

/**
 * What of the arguments has no effect in the host's namespaces, and why: one line each.
 *
 * `--net=default` is silent: stage0 says it also when the user said nothing.
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
  if (args.mutable) ignored.push("--mutable: ignored: this pod has the one app that it began with");
  if (args.ipc === "private") ignored.push("--ipc=private: ignored: the app has the host's IPC");
  return ignored;
}

function onlyApp(pod: Pod): PodApp {
  const [app, another] = pod.apps;
  if (app === undefined || another !== undefined) {
    throw new Error(`apps: this image runs pods of one app, and this one has ${pod.apps.length}`);
  }
  return app;
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
  const program = locateProgram(plan, root, plan.exec, `${plan.field}.app.exec[0]`);
  const preStart = locateHandler(plan, root, plan.preStart);
  const postStop = locateHandler(plan, root, plan.postStop);
  const { privileges, resources, labels } = plan.isolation;
  const oomNotes = adjustOomScore(resources, trace);
  requestLabels(labels, trace);
  const cgroups = openPodCgroups(resources);
  moveIntoRoot(root, trace);
  enterWorkingDirectory(plan);
  const notes = [...oomNotes, ...enterPodCgroups(cgroups, uuid, trace)];
  for (const line of notes) complain("run", line);
  replaceFileAt(lock, postStop ? POD_PATHS.parentPid : POD_PATHS.pid, `${Deno.pid}\n`);
  const restrict = prepareSyscallFilter(privileges);
  trace(`user ${credentials.uid}, group ${credentials.gid}, groups ${credentials.groups}`);
  becomeUser(privileges, credentials);
  if (preStart) runPreStart(preStart, trace);
  trace(`execute ${program.path}`);
  if (postStop) return outlive({ ...program, keepFds: [lock.number] }, postStop, trace);
  const becomeProgram = prepareProgram({ ...program, keepFds: [lock.number] });
  // From here on the filter holds for this program as well, and it may allow as good as nothing.
  restrict();
  naming(program.field, becomeProgram);
}

/** A program that has been found, ready to be started. */
interface LocatedProgram {
  path: string;
  argv: string[];
  environment: string[];
  field: string;
}

function locateProgram(
  { environment, workingDirectory }: AppPlan,
  root: Fd,
  [name, ...args]: [string, ...string[]],
  field: string,
): LocatedProgram {
  const candidates = programCandidates(name, environment.get("PATH") ?? "", workingDirectory);
  const path = naming(field, () => findProgram(root, name, candidates));
  return { path, argv: [path, ...args], environment: environmentEntries(environment), field };
}

function locateHandler(plan: AppPlan, root: Fd, handler: EventProgram | undefined) {
  return handler && locateProgram(plan, root, handler.exec, `${handler.field}.exec[0]`);
}

/**
 * Stays behind for the app's end. Signals are the app's alone meanwhile, also those to the whole process
 * group, as from a terminal.
 */
function outlive(app: Program & LocatedProgram, postStop: LocatedProgram, trace: Trace): never {
  const pid = naming(app.field, () => start(app));
  ignoreSignals();
  const status = waitFor(pid);
  trace(`the app ended with status ${status}; run ${postStop.path}`);
  const ofHandler = naming(postStop.field, () => runToEnd(postStop));
  if (ofHandler !== 0) complain("run", `${postStop.field}: ended with status ${ofHandler}`);
  Deno.exit(status);
}

function runPreStart(program: LocatedProgram, trace: Trace): void {
  trace(`run ${program.path} to its end`);
  const status = naming(program.field, () => runToEnd(program));
  if (status !== 0) throw new Error(`${program.field}: ended with status ${status}`);
}

function enterWorkingDirectory({ workingDirectory, field }: AppPlan): void {
  naming(`${field}.app.workingDirectory`, () => changeDirectory(workingDirectory));
}
