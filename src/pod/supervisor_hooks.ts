/**
 * How the supervisor's decisions are carried out on a pod.
 *
 * @module
 */

import { openMemoryWatch } from "../cgroup/memory_watch.ts";
import { killApp } from "../cgroup/tree.ts";
import { ControlServer } from "../control/server.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { setOwnerAt } from "../linux/ownership.ts";
import {
  environmentEntries,
  forNotification,
  forTerminal,
  withAccount,
} from "../plan/environment.ts";
import type { EventProgram } from "../plan/start.ts";
import { launch } from "../process/launch.ts";
import { withOomScore } from "../process/oom_score.ts";
import { selfConfine } from "../process/self_confine.ts";
import type { AppUser } from "../rootfs/users.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { warn } from "../stage1/log.ts";
import { placePid, preparePid } from "../stage1/pid_file.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { describeProcess } from "../stage1/processes_file.ts";
import { markReady, openReadiness, prepareReadiness } from "../stage1/readiness.ts";
import type { Stdio } from "../stream/stdio.ts";
import { AddedApps, immutableHandlers } from "./added_apps.ts";
import { type AppProgram, type BuiltApp, ownerOf, ROOT, startProgram } from "./app.ts";
import { attachHandlers } from "./attach_requests.ts";
import { changingPod, killByRoot, sweepAdded } from "./changing_pod.ts";
import type { CreatedPod } from "./create_pod.ts";
import { openActivation } from "./given_sockets.ts";
import type { HeldApp } from "./held_app.ts";
import type { ActivePhase } from "./life.ts";
import { PodRecords } from "./pod_records.ts";
import type { SupervisorHooks } from "./supervised_pod.ts";

/** Returns the hooks by which the supervisor acts on a pod. */
export function supervisorHooks(pod: CreatedPod): SupervisorHooks {
  const { apps, namespaces, cgroups, streams, notifications, manager, lock, debug } = pod;
  const { control, isMutable } = pod;
  const statuses = openFile(POD_PATHS.statuses, O_PATH | O_DIRECTORY);
  const readiness = openReadiness(lock);
  // stage0 gave the directories to the pod's users. This process has to own them, because it writes
  // there when it has no privileges left.
  if (namespaces?.users) {
    for (const directory of [statuses, readiness]) setOwnerAt(directory, "", { uid: 0, gid: -1 });
  }
  preparePid(lock, namespaces?.pid ?? Deno.pid);
  const records = new PodRecords(lock, statuses, [...apps.keys()]);
  prepareReadiness(readiness);
  let hasBegun = false;
  const memory = openMemoryWatch(
    cgroups,
    { apps: [...apps.values()].map(({ plan }) => plan), isMutable },
    (line) => streams.say(line),
    debug,
  );
  const added = isMutable ? new AddedApps(changingPod(pod, records, memory, orNote)) : undefined;
  return {
    apps: [...apps.values()].map(({ plan: { name, preStart, postStop, stop } }) => ({
      name,
      hasPreStart: preStart !== undefined,
      hasPostStop: postStop !== undefined,
      stop,
    })),
    start(name, phase) {
      const app = apps.get(name)!;
      const program = programOf(app, phase);
      const pid = streams.withStdio(
        {
          app: name,
          isHandler: phase !== "running",
          owner: ownerOf(program.credentials, app.plan.ids),
        },
        (stdio) => startWithAttributes(app, program, stdio, pod),
      );
      if (phase === "running") notifications.appStarted(name, pid);
      return pid;
    },
    started(name, pid) {
      streams.appStarted(name, pid);
      const process = describeProcess(name, pid, apps.get(name)!.root.mounts);
      const save = () => records.started(name, process);
      if (hasBegun) orNote(save);
      else save();
    },
    fieldOf: (name, phase) => {
      const other = added?.get(name);
      return other ? fieldOfAdded(other, phase) : programOf(apps.get(name)!, phase).field;
    },
    sweep(name) {
      const other = added?.get(name);
      if (other) sweepAdded(other, debug);
      else killApp(cgroups, name, debug);
      streams.appEnded(name);
    },
    saveStatus: (name, status) => orNote(() => records.saveStatus(name, status)),
    begun() {
      placePid(lock);
      hasBegun = true;
    },
    allStarted() {
      // In the host's namespaces, this process keeps what it needs to find the pod's processes.
      if (!namespaces || hasMoreToStart(pod)) return;
      selfConfine(streams.hasGiven ? "lending" : "waiting", debug);
    },
    ready() {
      orNote(() => markReady(readiness));
      manager.tell("READY=1");
    },
    stopping: () => manager.tell("STOPPING=1"),
    end() {
      endPod(pod, records, added?.all ?? []);
      added?.[Symbol.dispose]();
    },
    firstProcess: namespaces?.pid,
    streams,
    memory,
    notifications,
    added,
    requests: new ControlServer(
      control,
      { ...(added?.handlers ?? immutableHandlers()), ...attachHandlers(streams) },
      debug,
      (line) => streams.say(line),
    ),
    debug,
  };
}

/**
 * Writes a file of a pod that has begun. That it cannot be written is no reason to end the pod: the
 * disk may be full or broken, and the apps may do without it.
 */
function orNote(save: () => void): void {
  try {
    save();
  } catch (error) {
    warn("run", describeError(error));
  }
}

/** Tells whether a handler or an app is still to start: that takes privileges. */
function hasMoreToStart({ apps }: CreatedPod): boolean {
  return [...apps.values()].some(({ plan }) => plan.preStart ?? plan.postStop);
}

/** Finds processes in the host's namespaces by their cgroup, or by their root without a cgroup. */
function endPod(
  { apps, namespaces, cgroups, debug }: CreatedPod,
  records: PodRecords,
  added: readonly HeldApp[],
): void {
  if (namespaces) return namespaces.end();
  for (const name of apps.keys()) {
    killApp(cgroups, name, debug);
    killByRoot(name, records, debug);
  }
  for (const app of added) {
    sweepAdded(app, debug);
    killByRoot(app.name, records, debug);
  }
}

/** Returns the field of the manifest that says what an app does in a phase. */
function fieldOfAdded({ field, preStart, postStop }: HeldApp, phase: ActivePhase): string {
  const fields = { "pre-start": preStart, "running": undefined, "post-stop": postStop };
  return fields[phase] ?? `${field}.app`;
}

function startWithAttributes(
  app: BuiltApp,
  program: AppProgram,
  stdio: Stdio,
  { namespaces, debug }: CreatedPod,
): number {
  const start = () => startProgram(app, program, namespaces, stdio, launch);
  const { result, notes } = withOomScore(app.plan.isolators.oomScore, debug, start);
  // What a handler could not have, its app cannot have either: that is said once, of the app.
  if (program.exec === app.plan.exec) { for (const line of notes) warn("run", line); }
  return result;
}

function programOf({ plan, user }: BuiltApp, phase: ActivePhase): AppProgram {
  const ofUser = ({ credentials, account }: AppUser, notifySocket?: string) => {
    const variables = forNotification(withAccount(plan.environment, account), notifySocket);
    const environment = forTerminal(environmentEntries(variables), plan.terminalType);
    return { credentials, environment };
  };
  const ofHandler = ({ exec, field, asRoot }: EventProgram): AppProgram => ({
    exec,
    field,
    ...ofUser(asRoot ? ROOT : user),
  });
  switch (phase) {
    case "pre-start":
      return ofHandler(plan.preStart!);
    case "running":
      return {
        exec: plan.exec,
        field: `${plan.field}.app`,
        ...ofUser(user, plan.notification?.variable),
        activation: openActivation(plan.activation),
      };
    case "post-stop":
      return ofHandler(plan.postStop!);
  }
}
