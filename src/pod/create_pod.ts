/**
 * A pod that is ready to begin: what it consists of, and how the supervisor's words are carried out on it.
 *
 * @module
 */

import { saveCgroupPaths } from "../cgroup/paths_file.ts";
import {
  cgroupPaths,
  killApp,
  makeAppCgroups,
  makePodCgroups,
  type PodCgroups,
  trackedCgroup,
} from "../cgroup/tree.ts";
import type { Credentials } from "../linux/credentials.ts";
import type { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, O_RDWR, openFile } from "../linux/open.ts";
import { setOwnerAt } from "../linux/ownership.ts";
import { replaceFileAt } from "../linux/read_write.ts";
import type { AppPlan } from "../plan/app.ts";
import { hostId, type Owner } from "../plan/id_range.ts";
import { withLabelContext, withOomScore } from "../process/labels.ts";
import { killAppProcesses, openAppMarks } from "../process/pod_processes.ts";
import { selfConfineForGood } from "../process/self_confine.ts";
import { cloneHostTrees } from "../rootfs/app_root.ts";
import { maskPodRoot } from "../rootfs/pod_root.ts";
import type { VolumeSources } from "../rootfs/volume_sources.ts";
import { saveCredentials } from "../stage1/credentials_file.ts";
import { type Debug, warn } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { type Stdio, Streams } from "../stream/streams.ts";
import { type AppProgram, buildApp, type BuiltApp, startProgram } from "./app.ts";
import { applySettings } from "./kernel_settings.ts";
import type { ActivePhase } from "./life.ts";
import { makePodNamespaces, type PodNamespaces } from "./namespaces.ts";
import type { SupervisedPlan } from "./supervised_plan.ts";
import type { SupervisorHooks } from "./supervisor.ts";

/**
 * Whom event handlers of a pod with namespaces of its own run as, as rkt's own images have it: they prepare what
 * the app's user may not. The app's limits, capabilities and filter hold for them too.
 */
const HANDLER: Credentials = { uid: 0, gid: 0, groups: [0] };

/** A pod that is ready to begin. What is disposed of is what it holds; its processes have ended then. */
export interface CreatedPod extends Disposable {
  apps: ReadonlyMap<string, BuiltApp>;
  namespaces: PodNamespaces | undefined;
  cgroups: PodCgroups;
  streams: Streams;
  lock: Fd;
  debug: Debug;
}

/** What it takes to build a pod. */
export interface Site {
  uuid: string;
  /** The pod directory, locked. */
  lock: Fd;
  /** What the volumes of its apps were found to be. */
  sources: VolumeSources;
  debug: Debug;
}

/**
 * Builds a pod: cgroups, namespaces, streams, and the roots of its apps. The order is the kernel's: pid 1 has to
 * be where it stays before the apps have cgroups, and /proc has to be mounted before apps get clones of it.
 *
 * @throws {Error} which names what could not be done.
 */
export function createPod(plan: SupervisedPlan, { uuid, lock, sources, debug }: Site): CreatedPod {
  using undo = new DisposableStack();
  saveCgroupPaths(lock, cgroupPaths(plan.pod.cgroups, uuid));
  const cgroups = makePodCgroups(plan.pod.cgroups, uuid, debug);
  const namespaces = plan.namespaces && makePodNamespaces(plan.namespaces, cgroups, debug);
  if (namespaces) {
    undo.use(namespaces);
    applySettings(plan.pod.settings, namespaces, debug);
    maskPodRoot(namespaces.root, plan.masks, plan.namespaces?.network, debug);
  }
  const members = makeAppCgroups(cgroups, debug);
  for (const line of new Set(cgroups.notes)) warn("run", line);
  tellCgroup(cgroups, lock);
  const streams = undo.use(openStreams(plan, namespaces, lock));
  const build = (app: AppPlan) => {
    const trees = cloneHostTrees(app, sources);
    const entrances = members.get(app.name) ?? [];
    return buildApp(app, trees, streams.consoleOf(app.name), namespaces, entrances, debug);
  };
  const apps = new Map(plan.apps.map((app) => [app.name, build(app)]));
  for (const [name, { credentials }] of apps) saveCredentials(name, credentials);
  const held = undo.move();
  const dispose = () => held.dispose();
  return { apps, namespaces, cgroups, streams, lock, debug, [Symbol.dispose]: dispose };
}

/** stage0 wants to know, before it knows the pod's process. */
function tellCgroup(cgroups: PodCgroups, lock: Fd): void {
  const tracked = trackedCgroup(cgroups);
  if (tracked !== undefined) replaceFileAt(lock, POD_PATHS.cgroup, tracked);
}

function openStreams(
  { apps, stdio }: SupervisedPlan,
  namespaces: PodNamespaces | undefined,
  lock: Fd,
): Streams {
  return new Streams({
    podDirectory: lock,
    severalApps: apps.length > 1,
    stdout: 1,
    stderr: 2,
    plans: stdio,
    terminals: namespaces?.root.terminals,
    nothing: namespaces?.root.nothing ?? openFile("/dev/null", O_RDWR),
    terminalType: Deno.env.get("TERM"),
  });
}

/** How a pod is supervised. */
export function supervisorHooks(pod: CreatedPod): SupervisorHooks {
  const { apps, namespaces, cgroups, streams, lock, debug } = pod;
  const statuses = openFile(POD_PATHS.statuses, O_PATH | O_DIRECTORY);
  // stage0 has given it to the pod's users; this process will write to it when it has no privileges left.
  if (namespaces?.users) setOwnerAt(statuses, "", { uid: 0, gid: -1 });
  return {
    apps: [...apps.values()].map(({ plan: { name, preStart, postStop } }) => ({
      name,
      hasPreStart: preStart !== undefined,
      hasPostStop: postStop !== undefined,
    })),
    start(name, phase) {
      const app = apps.get(name)!;
      const program = programOf(app, phase, namespaces !== undefined);
      const pid = streams.withStdio(
        name,
        ownerOf(program, app.plan),
        (stdio) => startWithAttributes(app, program, stdio, pod),
      );
      streams.appStarted(name, pid);
      return pid;
    },
    fieldOf: (name, phase) => programOf(apps.get(name)!, phase, namespaces !== undefined).field,
    sweep: (name) => killApp(cgroups, name, debug),
    record: (name, status) => replaceFileAt(statuses, name, `${status}\n`),
    begun() {
      replaceFileAt(lock, POD_PATHS.pid, `${namespaces?.pid ?? Deno.pid}\n`);
      // In the host's namespaces, the pod's processes have yet to be found.
      if (namespaces && !hasMoreToStart(pod)) selfConfineForGood("waiting", debug);
    },
    end: () => endPod(pod),
    firstProcess: namespaces?.pid,
    streams,
    debug,
  };
}

/** Who owns the streams of a program: its user, in the host's numbers. */
function ownerOf({ credentials: { uid, gid } }: AppProgram, { ids }: AppPlan): Owner {
  return { uid: hostId(uid, ids), gid: hostId(gid, ids) };
}

/** Whether something is left to be started later, which may have to do what this process is fenced from. */
function hasMoreToStart({ apps }: CreatedPod): boolean {
  return [...apps.values()].some(({ plan }) => plan.preStart ?? plan.postStop);
}

/** In the host's namespaces, processes are found by their cgroup, and by their root where there is none. */
function endPod({ apps, namespaces, cgroups, debug }: CreatedPod): void {
  if (namespaces) return namespaces.end();
  for (const { plan } of apps.values()) {
    killApp(cgroups, plan.name, debug);
    using marks = openAppMarks([plan.rootfs]);
    killAppProcesses(marks, debug);
  }
}

function startWithAttributes(
  app: BuiltApp,
  program: AppProgram,
  stdio: Stdio,
  { namespaces, debug }: CreatedPod,
): number {
  const { labels, resources } = app.plan.isolators;
  const start = () => startProgram(app, program, namespaces, stdio);
  const { result, notes } = withOomScore(resources, debug, () => withLabelContext(labels, start));
  // Of a handler it would be said once more.
  if (program.exec === app.plan.exec) { for (const line of notes) warn("run", line); }
  return result;
}

function programOf(
  { plan, credentials }: BuiltApp,
  phase: ActivePhase,
  isIsolated: boolean,
): AppProgram {
  const ofHandler = isIsolated ? HANDLER : credentials;
  switch (phase) {
    case "pre-start":
      return { ...plan.preStart!, credentials: ofHandler };
    case "running":
      return { exec: plan.exec, field: `${plan.field}.app`, credentials };
    case "post-stop":
      return { ...plan.postStop!, credentials: ofHandler };
  }
}
