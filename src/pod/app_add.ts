/**
 * `app-add`: an app is added to a pod that runs. Its root and cgroups are made as `run` makes them
 * for an app from the beginning. The supervisor, which has no privileges for that, is handed the
 * descriptors, and keeps the app for `app-start`.
 *
 * The supervisor reserves the app's name for as long as this process is connected. What a process
 * that is killed leaves, cgroups without processes and the socket of the log, goes with the next
 * one that adds the app, with `app-rm`, or with the pod. Mounts go with the last descriptor of
 * their namespace.
 *
 * @module
 */

import { removeAppCgroups } from "../cgroup/remove.ts";
import { type AppCgroups, makeAddedCgroups } from "../cgroup/tree.ts";
import { ControlClient } from "../control/client.ts";
import type { NamedFd, ReceivedFds } from "../control/envelope.ts";
import { type AddedApp, APP_FDS, Done, POD_FDS } from "../control/messages.ts";
import { clearInherited } from "../linux/capability_sets.ts";
import type { AddedAppPlan } from "../plan/added_app.ts";
import { tellsOfMemory } from "../plan/cgroup/memory_kills.ts";
import type { PodCgroupPlan } from "../plan/cgroup/pod_cgroups.ts";
import { selfConfine } from "../process/self_confine.ts";
import { cloneHostTrees, prepareHost } from "../rootfs/app_root.ts";
import type { PodRoot } from "../rootfs/pod_root.ts";
import { addSyslogSocket, removeSyslogSocket } from "../rootfs/syslog_sockets.ts";
import { VolumeSources } from "../rootfs/volume_sources.ts";
import { APP_ADD, type AppAddArguments, type RunArguments } from "../stage1/arguments.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { type Debug, debugLog, printable, warn } from "../stage1/log.ts";
import { loadRun, type RecordedRun } from "../stage1/runtime_config.ts";
import { removeStartedMark } from "../stage1/status_files.ts";
import { buildApp, saveForEnter } from "./app.ts";
import { planAddition } from "./plan.ts";

/**
 * Adds an app of the pod manifest to the pod in whose directory this process works.
 *
 * @throws {Error} when anything stands in the way; it names the field, and nothing of the app is
 *   left then.
 */
export function addApp(args: AppAddArguments): void {
  const debug = debugLog(APP_ADD.name, args.debug);
  const run = loadRun();
  const { uuid } = run.args;
  if (args.uuid !== uuid) throw new Error(`--uuid: ${args.uuid} is not this pod: it is ${uuid}`);
  using client = new ControlClient();
  using fds = client.ask({ do: "add", app: args.app }, Done).fds;
  try {
    addReserved(args, run, fds, client, debug);
  } catch (error) {
    client.sendFailure(error);
    throw error;
  }
}

/**
 * Adds an app whose name is reserved.
 *
 * @param fds The pod's descriptors.
 */
function addReserved(
  args: AppAddArguments,
  run: RecordedRun,
  fds: ReceivedFds,
  client: ControlClient,
  debug: Debug,
): void {
  const { uuid } = run.args;
  using sources = new VolumeSources();
  const plan = planAddition(args.app, run, sources);
  clearInherited();
  selfConfine("app-add", debug);
  const podRoot = podRootOf(fds);
  const notes = [...notesOnFlags(args, run.args), ...plan.notes];
  // Left by an earlier app of this name, whose adding or removal was broken off.
  removeAppCgroups(uuid, args.app, debug);
  removeStartedMark(args.app);
  try {
    using app = build(plan, podRoot, sources, debug);
    notes.push(...app.notes);
    for (const line of notes) say(line);
    client.ask({ added: app.description, notes: shortened(notes) }, Done, app.fds);
  } catch (error) {
    undo(() => removeAppCgroups(uuid, args.app, debug));
    if (podRoot) undo(() => removeSyslogSocket(podRoot, args.app));
    throw error;
  }
}

/** Bounds notes, which have to fit into a message. */
function shortened(notes: readonly string[]): string[] {
  return notes.slice(0, MOST_NOTES).map((line) => printable(line).slice(0, LONGEST_NOTE));
}

/** The most notes that the supervisor is sent, and the most characters of each. */
const MOST_NOTES = 16;
const LONGEST_NOTE = 400;

/** Notes flags by which the app would have less restrictions than the rest of its pod. */
function notesOnFlags(args: AppAddArguments, ofRun: RunArguments): string[] {
  const asked = (["disableCapabilities", "disablePaths", "disableSeccomp"] as const)
    .filter((flag) => args[flag] && !ofRun[flag]);
  return asked.map((flag) => `${FLAGS[flag]}: ignored: the pod was started without it`);
}

const FLAGS = {
  disableCapabilities: "--disable-capabilities-restriction",
  disablePaths: "--disable-paths",
  disableSeccomp: "--disable-seccomp",
} as const;

/** An app that is built, as it is handed over. */
interface HandedApp extends Disposable {
  description: AddedApp;
  fds: NamedFd[];
  /** What has no effect, and why. */
  notes: string[];
}

function build(
  { app: plan, cgroups: plans }: AddedAppPlan,
  podRoot: PodRoot | undefined,
  sources: VolumeSources,
  debug: Debug,
): HandedApp {
  using held = new DisposableStack();
  prepareHost(plan, sources, debug);
  const { cgroups, notes } = makeAddedCgroups(plans, debug);
  for (const fd of [...cgroups.procsFds, ...cgroups.directories.values()]) held.use(fd);
  const syslog = podRoot && held.use(addSyslogSocket(podRoot, plan.name));
  const trees = cloneHostTrees(plan, sources, cgroups.directories);
  const app = buildApp(plan, trees, podRoot, cgroups.procsFds, debug);
  held.use(app.root.mounts);
  held.use(app.root.root);
  saveForEnter(app);
  const stack = held.move();
  return {
    description: describeAdded(plan, plans, cgroups),
    fds: [
      [APP_FDS.mounts, app.root.mounts],
      [APP_FDS.root, app.root.root],
      ...cgroups.procsFds.map((fd): NamedFd => [APP_FDS.cgroup, fd]),
      ...(syslog ? [[APP_FDS.syslog, syslog] as const] : []),
    ],
    notes: [...new Set(notes), ...app.notes],
    [Symbol.dispose]: () => stack.dispose(),
  };
}

/** Says what the supervisor needs to know of the app. */
function describeAdded(
  { name, field, preStart, postStop, stdio, log, stop }: AddedAppPlan["app"],
  plans: readonly PodCgroupPlan[],
  { directories }: AppCgroups,
): AddedApp {
  const made = plans.flatMap(({ apps, ...pod }) =>
    apps.filter(({ app, path }) => app === name && directories.has(path))
      .map(({ path, limits }) => ({ ...pod, path, limits }))
  );
  return {
    field,
    preStart: preStart?.field,
    postStop: postStop?.field,
    stdio,
    log: log && { ...log, to: [...log.to] },
    stop,
    cgroupPaths: made.map(({ path }) => path),
    trackedCgroup: made.find(({ isTrackingHierarchy }) => isTrackingHierarchy)?.path,
    watchedCgroups: made.filter(tellsOfMemory)
      .map(({ path, version, limits }) => ({ path, version, limits })),
  };
}

/** Takes the root of an isolated pod. A pod in the host's namespaces has none. */
function podRootOf(fds: ReceivedFds): PodRoot | undefined {
  const mounts = fds.takeIfThere(POD_FDS.mounts);
  return mounts && {
    mounts,
    root: fds.take(POD_FDS.root),
    terminals: fds.take(POD_FDS.terminals),
    nothing: fds.take(POD_FDS.nothing),
    syslog: fds.take(POD_FDS.syslog),
  };
}

function say(line: string): void {
  warn(APP_ADD.name, line);
}

/** Ignores errors: the one that this is undone for matters more. */
function undo(act: () => void): void {
  try {
    act();
  } catch (error) {
    say(`left to gc: ${describeError(error)}`);
  }
}
