/**
 * The logs of a pod's apps.
 *
 * @module
 */

import { SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import type { NamedPath } from "../plan/kubernetes_log.ts";
import type { LogPlan } from "../plan/log.ts";
import type { OutputStream } from "../plan/stdio.ts";
import { withContext } from "../stage1/context.ts";
import { AppLog } from "./app_log.ts";
import { Journal } from "./journal.ts";
import {
  type LogFeed,
  type LogTargets,
  openFeeds,
  openSyslogFeed,
  type SyslogFeed,
} from "./log_feed.ts";
import {
  type KubernetesDirectory,
  kubernetesPlace,
  openKubernetesDirectory,
  openLogDirectory,
  ownPlace,
} from "./log_places.ts";

/** What {@linkcode PodLogs} needs. */
export interface PodLogsOptions {
  /** The pod directory, in which the logs are kept. */
  podDirectory: Fd;
  /** The pod's UUID, by which the journal knows it. */
  uuid: string;
  /** Whether apps may be added when this process cannot connect to the journal any more. */
  isMutable: boolean;
  /** The directory of the host in which apps have logs for Kubernetes, if there is one. */
  kubernetesLogs: NamedPath | null;
}

/** How an app is logged. */
interface LoggedApp {
  plan: LogPlan;
  /** Its files. */
  logs: readonly AppLog[];
}

/** The logs of all apps of a pod. */
export class PodLogs implements Disposable {
  readonly #uuid: string;
  /** The apps that are logged, by their names. */
  readonly #apps = new Map<string, LoggedApp>();
  readonly #directory: Fd | undefined;
  readonly #kubernetesDirectory: KubernetesDirectory | undefined;
  readonly #warn: (text: string) => void;
  #journal: Journal | undefined;
  /** Why there is no journal, if one was looked for. */
  #noJournal: { error: unknown } | undefined;

  /**
   * Makes the logs' directory. When that fails, it warns and does without files.
   *
   * @param warn Called with what is not logged, and why.
   * @throws {Error} when there is no such directory as Kubernetes names.
   */
  constructor(options: PodLogsOptions, warn: (text: string) => void) {
    const { podDirectory, uuid, isMutable, kubernetesLogs } = options;
    this.#uuid = uuid;
    this.#warn = warn;
    this.#directory = openDirectory(podDirectory, warn);
    this.#kubernetesDirectory = kubernetesLogs
      ? openKubernetesDirectory(kubernetesLogs)
      : undefined;
    if (isMutable) this.#lookForJournal();
  }

  /** The host's journal, if an app may be logged there. */
  get journal(): Journal | undefined {
    return this.#journal;
  }

  /**
   * Adds an app.
   *
   * @throws {Error} when it is to be logged to a journal, and the host has none; or when its file
   * for Kubernetes cannot be opened.
   */
  addApp(app: string, plan: LogPlan): void {
    if (plan.to.includes("journald")) this.#requireJournal();
    this.#apps.set(app, { plan, logs: this.#logsOf(app, plan) });
  }

  /** Closes the log of an app that writes no more. */
  removeApp(app: string): void {
    this.#apps.get(app)?.logs.forEach((log) => log[Symbol.dispose]());
    this.#apps.delete(app);
  }

  /** Opens the ways of a stream to its app's log. An app without a plan has none. */
  feedsOf(app: string, stream: OutputStream): LogFeed[] {
    const logged = this.#apps.get(app);
    if (logged === undefined) return [];
    for (const log of logged.logs) log.appStarts();
    return openFeeds({ pod: this.#uuid, app }, stream, this.#targetsOf(logged));
  }

  /** Opens the way of what an app sends to /dev/log. An app without a plan has none. */
  syslogFeedOf(app: string): SyslogFeed | undefined {
    const logged = this.#apps.get(app);
    return logged && openSyslogFeed({ pod: this.#uuid, app }, this.#targetsOf(logged));
  }

  [Symbol.dispose](): void {
    for (const app of this.#apps.keys()) this.removeApp(app);
    this.#journal?.[Symbol.dispose]();
    this.#directory?.[Symbol.dispose]();
    this.#kubernetesDirectory?.fd[Symbol.dispose]();
  }

  #targetsOf({ plan, logs }: LoggedApp): LogTargets {
    return { logs, journal: plan.to.includes("journald") ? this.#journal : undefined };
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

  #logsOf(app: string, plan: LogPlan): AppLog[] {
    const own = this.#directory && plan.to.includes("file")
      ? new AppLog(ownPlace(this.#directory, app, plan), this.#warn)
      : undefined;
    return [own, this.#kubernetesLogOf(plan)].filter((log) => log !== undefined);
  }

  /** @throws {Error} when it cannot be opened for another reason than a full disk. */
  #kubernetesLogOf({ kubernetes }: LogPlan): AppLog | undefined {
    if (kubernetes === null) return undefined;
    return withContext(kubernetes.field, () => {
      if (this.#kubernetesDirectory === undefined) throw new Error("the pod has no such directory");
      const log = new AppLog(
        kubernetesPlace(this.#kubernetesDirectory, kubernetes.path),
        this.#warn,
      );
      log.open();
      return log;
    });
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
