/**
 * What the supervisor needs of a pod to act on it, and what it offers to whoever changes the pod
 * while it runs.
 *
 * @module
 */

import type { MemoryWatch } from "../cgroup/memory_watch.ts";
import type { PollEvents } from "../linux/poll.ts";
import type { Debug } from "../stage1/log.ts";
import type { Streams } from "../stream/streams.ts";
import type { ActivePhase, Living, Phase } from "./life.ts";
import type { Notifications } from "./notifications.ts";
import type { SupervisedProcess } from "./running.ts";

/** The pod as the supervisor acts on it. */
export interface SupervisorHooks {
  /** The apps that the pod begins with, in the order in which they start. */
  apps: readonly Living[];
  /**
   * Starts the process of an app's phase.
   *
   * @returns Its id.
   * @throws {Error} when it cannot be started; it names the field of the manifest.
   */
  start(app: string, phase: ActivePhase): number;
  /** Records the process that `start` has returned, by which other entrypoints know the app. */
  started(app: string, pid: number): void;
  /** Returns the field of the manifest that says what an app does in a phase. */
  fieldOf(app: string, phase: ActivePhase): string;
  /**
   * Kills what an app's process has left behind. Called after each process of an app, so also
   * between a handler and its app.
   */
  sweep(app: string): void;
  /**
   * Saves an app's exit status. Called once for each start of the app: when it has ended, before
   * its post-stop handler starts; when its pre-start handler has failed; and in a mutable pod also
   * when it could not be started.
   */
  saveStatus(app: string, status: number): void;
  /**
   * Called once, when the first process of every app has been started. Of an app with a pre-start
   * handler that is the handler, which may still run then: the app itself starts later.
   */
  begun(): void;
  /**
   * Called once, after `begun`, when every app's own program has been started. It is never called
   * for a pod of which a pre-start handler fails.
   */
  allStarted(): void;
  /** Called once, after `allStarted`, when also every app that tells of itself is ready. */
  ready(): void;
  /** Called once, when the apps have been asked to end. */
  stopping(): void;
  /**
   * Ends every process of the pod, and returns when none is left. Called once, when all apps have
   * ended, or an error has kept the loop from waiting for that.
   */
  end(): void;
  /** The pod's pid 1, if it has one: `end` waits for it, and the loop does not. */
  firstProcess: number | undefined;
  streams: SupervisedStreams;
  memory: SupervisedMemory;
  notifications: SupervisedNotifications;
  /** The apps that are added while the pod runs; `undefined` if the pod is immutable. */
  added: SupervisedApps | undefined;
  requests: SupervisedRequests;
  debug: Debug;
}

/** Whoever is asked, while the pod runs, to change it or to show what its apps do. */
export interface SupervisedRequests {
  /** Lists the events to wait for. */
  interests(): PollEvents[];
  /**
   * Returns in how many milliseconds a client has had its time; `undefined` if none is waited for.
   */
  untilNext(): number | undefined;
  /** Handles what has come, and whose time is over. No client's fault ends the pod. */
  onReady(ready: readonly PollEvents[]): void;
}

/** The apps that are added while the pod runs. Others start them than this process. */
export interface SupervisedApps {
  /** Called once, before anything else, with what changes the pod. */
  serve(changes: PodChanges): void;
  /** Tells whether an app has been added. */
  has(app: string): boolean;
  /**
   * Has the process of an app's phase started. What comes of it is told later, by `started` or
   * `notStarted` of {@linkcode PodChanges}.
   */
  start(app: string, phase: ActivePhase): void;
  /** Takes note that an app is not to start any more, of which no process has been started yet. */
  abandonStart(app: string): void;
  /** Takes note that an app has ended, and its handlers. */
  ended(app: string): void;
  /** Takes note, once, that the pod ends: nothing begins any more. */
  stopping(): void;
}

/** The changes of a pod that somebody may ask for. Each app is one that has been added. */
export interface PodChanges {
  isStopping(): boolean;
  /** Returns what an app does; `undefined` when the pod has no such app. */
  phaseOf(app: string): Phase | undefined;
  /** Adds an app, which does not start yet. */
  add(app: Living): void;
  /** Removes an app that has ended. */
  remove(app: string): void;
  /** Starts an app that has ended, or has been added. */
  start(app: string): void;
  /** Asks an app to end. */
  stop(app: string): void;
  /** Kills the process of an app that runs. */
  kill(app: string): void;
  /** Takes a process that has been started for an app. */
  started(app: string, phase: ActivePhase, it: SupervisedProcess): void;
  /** Takes note that a process of an app could not be started. */
  notStarted(app: string): void;
}

/** What the loop needs of the watch over the pod's memory. */
export type SupervisedMemory = Pick<MemoryWatch, "dueIn" | "interests" | "look" | "onReady">;

/** What the loop needs of what apps tell of themselves. */
export type SupervisedNotifications = Pick<
  Notifications,
  "interests" | "isReady" | "onReady" | "untilNext"
>;

/** What the loop needs of the apps' streams. */
export type SupervisedStreams = Pick<
  Streams,
  | "hasEscaped"
  | "interests"
  | "isDone"
  | "isInBackground"
  | "isShared"
  | "onReady"
  | "podEnded"
  | "resize"
  | "resume"
  | "say"
  | "suspend"
  | "untilNext"
  | "writeLine"
>;
