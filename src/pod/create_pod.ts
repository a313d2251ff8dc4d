/**
 * A pod created from its plan: cgroups, namespaces, streams, and the roots of its apps. Its apps
 * have yet to start.
 *
 * @module
 */

import { saveCgroupPaths } from "../cgroup/paths_file.ts";
import {
  cloneShownCgroups,
  makeAppCgroups,
  makePodCgroups,
  pathsOfCgroups,
  type PodCgroups,
  trackedCgroup,
} from "../cgroup/tree.ts";
import { listenForClients } from "../control/server.ts";
import type { Fd } from "../linux/fd.ts";
import { O_RDWR, openFile } from "../linux/open.ts";
import type { AppPlan } from "../plan/app.ts";
import type { SupervisedPlan } from "../plan/pod.ts";
import { cloneHostTrees } from "../rootfs/app_root.ts";
import { maskPodRoot, protectPodRoot, showCgroups } from "../rootfs/pod_root.ts";
import { addSyslogSocket } from "../rootfs/syslog_sockets.ts";
import { type Debug, warn } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { savePodFile } from "../stage1/pod_file.ts";
import { openServiceManager, type ServiceManager } from "../stage1/service_manager.ts";
import { Streams } from "../stream/streams.ts";
import { buildApp, type BuiltApp, saveForEnter } from "./app.ts";
import type { PreparedContext } from "./context.ts";
import { applySysctls } from "./kernel_settings.ts";
import { makePodNamespaces, type PodNamespaces } from "./namespaces.ts";
import { Notifications } from "./notifications.ts";

/**
 * A pod whose apps can start. Disposing of it lets go what it holds; its processes have ended by
 * then.
 */
export interface CreatedPod extends Disposable {
  /** Whether apps are added while it runs. */
  isMutable: boolean;
  apps: ReadonlyMap<string, BuiltApp>;
  namespaces: PodNamespaces | undefined;
  cgroups: PodCgroups;
  streams: Streams;
  /** What the apps tell of themselves. */
  notifications: Notifications;
  /** Whoever wants to be told of the pod. */
  manager: ServiceManager;
  /** The pod directory, locked. */
  lock: Fd;
  /** The socket by which other entrypoints ask for changes. */
  control: Fd;
  debug: Debug;
}

/**
 * Creates a pod.
 *
 * The order is the kernel's: pid 1 has to be where it stays before the apps have cgroups, and /proc
 * has to be mounted before apps get clones of it.
 *
 * @throws {Error} which names what could not be done.
 */
export function createPod(plan: SupervisedPlan, context: PreparedContext): CreatedPod {
  const { lock, sources, debug } = context;
  using undo = new DisposableStack();
  const manager = undo.use(openServiceManager(plan.manager));
  const notifications = new Notifications(plan.apps, manager, debug);
  saveCgroupPaths(pathsOfCgroups(plan.cgroups));
  const cgroups = makePodCgroups(plan.cgroups, debug);
  const namespaces = plan.namespaces && makePodNamespaces(plan.namespaces, context, cgroups);
  if (namespaces) {
    undo.use(namespaces);
    applySysctls(plan.sysctls, namespaces, debug);
    maskPodRoot(namespaces.root, plan.maskedPaths, context.network, debug);
    protectPodRoot(namespaces.root);
  }
  const ofApps = makeAppCgroups(cgroups, debug);
  for (const line of new Set(cgroups.notes)) warn("run", line);
  tellCgroup(cgroups);
  const streams = undo.use(openStreams(plan, namespaces, lock));
  const build = (app: AppPlan) => {
    const { procsFds = [], directories = new Map() } = ofApps.get(app.name) ?? {};
    const trees = cloneHostTrees(app, sources, directories);
    return buildApp(app, trees, namespaces?.root, procsFds, debug);
  };
  const apps = new Map(plan.apps.map((app) => [app.name, build(app)]));
  for (const { notes } of apps.values()) for (const line of notes) warn("run", line);
  if (namespaces) showCgroups(namespaces.root, cloneShownCgroups(cgroups, ofApps));
  for (const { directories } of ofApps.values()) directories.forEach((fd) => fd[Symbol.dispose]());
  for (const app of apps.values()) saveForEnter(app);
  const control = undo.use(listenForClients());
  const held = undo.move();
  const dispose = () => held.dispose();
  return {
    ...{ apps, namespaces, cgroups, streams, notifications, manager, lock, control, debug },
    isMutable: plan.isMutable,
    [Symbol.dispose]: dispose,
  };
}

/** Writes the file from which stage0 reads the pod's cgroup, before it knows the pod's process. */
function tellCgroup(cgroups: PodCgroups): void {
  const tracked = trackedCgroup(cgroups);
  if (tracked !== undefined) savePodFile(POD_PATHS.cgroup, tracked);
}

function openStreams(
  { uuid, apps, isMutable, kubernetesLogs }: SupervisedPlan,
  namespaces: PodNamespaces | undefined,
  lock: Fd,
): Streams {
  const syslogOf = (app: string) => namespaces && addSyslogSocket(namespaces.root, app);
  return new Streams({
    podDirectory: lock,
    severalApps: isMutable || apps.length > 1,
    isMutable,
    uuid,
    kubernetesLogs,
    stdout: 1,
    stderr: 2,
    apps: new Map(
      apps.map(({ name, stdio, log }) => [name, { stdio, log, syslog: syslogOf(name) }]),
    ),
    terminals: namespaces?.root.terminals,
    nothing: namespaces?.root.nothing ?? openFile("/dev/null", O_RDWR),
  });
}
