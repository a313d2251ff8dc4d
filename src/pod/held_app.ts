/**
 * An app that has been added to a pod, as descriptors: those that the supervisor is handed with it
 * and keeps, and those that go to and come from whoever launches its processes.
 *
 * @module
 */

import type { NamedFd, ReceivedFds } from "../control/envelope.ts";
import { type AddedApp, APP_FDS, type LaunchedProcess, phaseFd } from "../control/messages.ts";
import type { Fd } from "../linux/fd.ts";
import type { RecordedProcess } from "../stage1/processes_file.ts";
import type { Streams } from "../stream/streams.ts";
import type { ActivePhase } from "./life.ts";

/** An app that has been added, and what is held of it. */
export interface HeldApp extends AddedApp {
  name: string;
  /** The app's mount namespace, and the root in it. */
  mounts: Fd;
  root: Fd;
  /** What its processes write to, to join its cgroups. */
  cgroups: readonly Fd[];
}

/**
 * Takes the descriptors of an app that has been added.
 *
 * @param undo Closes them, unless the caller keeps the app.
 * @throws {Error} when one is missing.
 */
export function holdApp(
  name: string,
  added: AddedApp,
  fds: ReceivedFds,
  undo: DisposableStack,
): HeldApp {
  return {
    ...added,
    name,
    mounts: undo.use(fds.take(APP_FDS.mounts)),
    root: undo.use(fds.take(APP_FDS.root)),
    cgroups: fds.takeAll(APP_FDS.cgroup).map((fd) => undo.use(fd)),
  };
}

/** Closes what is held of an app. */
export function letGo({ mounts, root, cgroups }: HeldApp): void {
  for (const fd of [mounts, root, ...cgroups]) fd[Symbol.dispose]();
}

/**
 * Lends the descriptors by which processes of an app are launched: what is held of it, and the
 * streams of each process, which are open for as long as `act` takes to hand them over.
 *
 * @throws {Error} when a stream cannot be made.
 */
export function withLaunchFds<T>(
  app: HeldApp,
  phases: readonly ActivePhase[],
  streams: Pick<Streams, "withStdio">,
  act: (fds: readonly NamedFd[]) => T,
): T {
  const ofApp: NamedFd[] = [
    [APP_FDS.mounts, app.mounts],
    [APP_FDS.root, app.root],
    ...app.cgroups.map((fd): NamedFd => [APP_FDS.cgroup, fd]),
  ];
  return withStreams(app.name, phases, streams, (ofProcesses) => act([...ofApp, ...ofProcesses]));
}

function withStreams<T>(
  app: string,
  [phase, ...others]: readonly ActivePhase[],
  streams: Pick<Streams, "withStdio">,
  act: (fds: readonly NamedFd[]) => T,
): T {
  if (phase === undefined) return act([]);
  const process = { app, isHandler: phase !== "running", owner: undefined };
  return streams.withStdio(process, ({ fds: [stdin, stdout, stderr] }) => {
    const ofProcess: NamedFd[] = [
      [phaseFd(phase, "stdin"), stdin],
      [phaseFd(phase, "stdout"), stdout],
      [phaseFd(phase, "stderr"), stderr],
    ];
    return withStreams(app, others, streams, (ofOthers) => act([...ofProcess, ...ofOthers]));
  });
}

/** What whoever launched an app's processes has handed over. It belongs to the caller. */
export interface HandedProcesses {
  /** The process that runs. */
  pid: number;
  process: Fd;
  /** How it is recorded; `undefined` if it ended before it could be described. */
  record: RecordedProcess | undefined;
  /** The socket of its minder's. */
  minder: Fd;
  /** The socket of the minder's that has the post-stop handler ready, if the app has one. */
  postStop: Fd | undefined;
}

/**
 * Takes the processes that have been launched for an app: all of them, or none.
 *
 * @param phase The one that runs.
 * @throws {Error} when one is missing.
 */
export function takeLaunched(
  app: HeldApp,
  phase: ActivePhase,
  launched: readonly LaunchedProcess[],
  fds: ReceivedFds,
): HandedProcesses {
  using undo = new DisposableStack();
  const minderOf = (phase: ActivePhase) => undo.use(fds.take(phaseFd(phase, "minder")));
  const { pid, record } = launched.find((it) => it.phase === phase) ?? {};
  if (pid === undefined) throw new Error(`message.launched: no process of phase ${phase}`);
  const process = undo.use(fds.take(phaseFd(phase, "process")));
  const minder = minderOf(phase);
  const postStop = phase === "running" && app.postStop ? minderOf("post-stop") : undefined;
  undo.move();
  return { pid, process, record, minder, postStop };
}
