/**
 * The logs of a pod's apps.
 *
 * @module
 */

import { SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import type { LogPlan } from "../plan/log.ts";
import type { OutputStream } from "../plan/stdio.ts";
import { withContext } from "../stage1/context.ts";
import { AppLog, openLogDirectory } from "./app_log.ts";
import { Journal } from "./journal.ts";
import {
  type LogFeed,
  type LogTargets,
  openFeeds,
  openSyslogFeed,
  type SyslogFeed,
} from "./log_feed.ts";

/** What {@linkcode PodLogs} needs. */
export interface PodLogsOptions {
  /** The pod directory, in which the logs are kept. */
  podDirectory: Fd;
  /** The pod's UUID, by which the journal knows it. */
  uuid: string;
  /** Whether apps may be added when this process cannot connect to the journal any more. */
  isMutable: boolean;
}

/** The logs of all apps of a pod. */
export class PodLogs implements Disposable {
  readonly #uuid: string;
  /** How each app that has a log is logged, by the app's name. */
  readonly #plans = new Map<string, LogPlan>();
  readonly #directory: Fd | undefined;
  readonly #logs = new Map<string, AppLog>();
  readonly #warn: (text: string) => void;
  #journal: Journal | undefined;
  /** Why there is no journal, if one was looked for. */
  #noJournal: { error: unknown } | undefined;

  /**
   * Makes the logs' directory. When that fails, it warns and does without files.
   *
   * @param warn Called with what is not logged, and why.
   */
  constructor({ podDirectory, uuid, isMutable }: PodLogsOptions, warn: (text: string) => void) {
    this.#uuid = uuid;
    this.#warn = warn;
    this.#directory = openDirectory(podDirectory, warn);
    if (isMutable) this.#lookForJournal();
  }

  /** The host's journal, if an app may be logged there. */
  get journal(): Journal | undefined {
    return this.#journal;
  }

  /**
   * Adds an app.
   *
   * @throws {Error} when it is to be logged to a journal, and the host has none.
   */
  addApp(app: string, plan: LogPlan): void {
    if (plan.to.includes("journald")) this.#requireJournal();
    this.#plans.set(app, plan);
  }

  /** Closes the log of an app that writes no more. */
  removeApp(app: string): void {
    this.#logs.get(app)?.[Symbol.dispose]();
    this.#logs.delete(app);
    this.#plans.delete(app);
  }

  /** Opens the ways of a stream to its app's log. An app without a plan has none. */
  feedsOf(app: string, stream: OutputStream): LogFeed[] {
    const plan = this.#plans.get(app);
    if (plan === undefined) return [];
    return openFeeds({ pod: this.#uuid, app }, stream, plan.format, this.#targetsOf(app, plan));
  }

  /** Opens the way of what an app sends to /dev/log. An app without a plan has none. */
  syslogFeedOf(app: string): SyslogFeed | undefined {
    const plan = this.#plans.get(app);
    if (plan === undefined) return undefined;
    return openSyslogFeed({ pod: this.#uuid, app }, plan.format, this.#targetsOf(app, plan));
  }

  [Symbol.dispose](): void {
    for (const log of this.#logs.values()) log[Symbol.dispose]();
    this.#journal?.[Symbol.dispose]();
    this.#directory?.[Symbol.dispose]();
  }

  #targetsOf(app: string, plan: LogPlan): LogTargets {
    return {
      log: plan.to.includes("file") ? this.#logOf(app, plan) : undefined,
      journal: plan.to.includes("journald") ? this.#journal : undefined,
    };
  }

  #lookForJournal(): void {
    try {
      this.#journal = new Journal(this.#warn);
    } catch (error) {
      this.#noJournal = { error };
    }
  }

  #requireJournal(): void {
    if (this.#journal === undefined && this.#noJournal === undefined) this.#lookForJournal();
    const missing = this.#noJournal;
    if (missing) {
      withContext("stage1-volo/log-to", () => {
        throw missing.error;
      });
    }
  }

  #logOf(app: string, plan: LogPlan): AppLog | undefined {
    if (this.#directory === undefined) return undefined;
    const log = this.#logs.get(app) ?? new AppLog(this.#directory, app, this.#warn, plan);
    this.#logs.set(app, log);
    return log;
  }
}

function openDirectory(podDirectory: Fd, warn: (text: string) => void): Fd | undefined {
  try {
    return openLogDirectory(podDirectory);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    warn(`output is not logged: ${error.message}`);
    return undefined;
  }
}
