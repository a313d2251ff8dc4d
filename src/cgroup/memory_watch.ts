/**
 * The watch over a pod's memory: it tells when the kernel kills processes of the pod because there
 * is too little. An app may go on without a child, and nobody else would know why.
 *
 * @module
 */

import { SyscallError } from "../linux/errno.ts";
import {
  type MemoryKills,
  type MemoryLimit,
  openMemoryKills,
  openMemoryLimit,
} from "../linux/memory_events.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import type { PollEvents } from "../linux/poll.ts";
import {
  describeMemoryKills,
  type MemoryKillReport,
  memoryLimitOf,
  tellsOfMemory,
} from "../plan/cgroup/memory_kills.ts";
import type { CgroupLimit } from "../plan/cgroup/placement.ts";
import type { PodCgroupPlan } from "../plan/cgroup/pod_cgroups.ts";
import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";
import type { PodCgroups } from "./tree.ts";

/** After how many milliseconds an event is looked at: in version 1 it comes before the kill. */
const SETTLE = 100;
/** How often to look at most, in milliseconds: there are events where nothing is killed, too. */
const LOOK_INTERVAL = 1_000;
/** How often to tell at most, in milliseconds. What came meanwhile is told in one line. */
const TELL_INTERVAL = 10_000;

/** A limit that may have been reached. */
export interface WatchedLimit extends MemoryLimit {
  limit: CgroupLimit;
}

/** A cgroup that is watched. */
export interface WatchedCgroup {
  of: MemoryKillReport["of"];
  kills: MemoryKills;
  /** Its own limit, if it has one. */
  own: readonly WatchedLimit[];
  /** The limits that hold for it from above, the nearest first. */
  above: readonly WatchedLimit[];
}

/** A cgroup of an app that is added while the pod runs. */
export interface AddedCgroup {
  /** Its absolute path. */
  path: string;
  version: 1 | 2;
  limits: readonly CgroupLimit[];
}

/**
 * The watch. Times are in milliseconds on the monotonic clock; the caller has the only clock, and
 * waits.
 */
export class MemoryWatch {
  readonly #cgroups: Set<WatchedCgroup>;
  /** The limits of the pod, by the paths of its cgroups. */
  readonly #ofPod: ReadonlyMap<string, readonly WatchedLimit[]>;
  readonly #tell: (line: string) => void;
  /** What was counted when it was last looked at. */
  readonly #counts = new Map<MemoryKills, number>();
  #due: number | undefined;
  #next = -Infinity;

  /** @param ofPod The limits of the pod, by the paths of its cgroups. */
  constructor(
    cgroups: readonly WatchedCgroup[],
    tell: (line: string) => void,
    ofPod: ReadonlyMap<string, readonly WatchedLimit[]> = new Map(),
  ) {
    this.#cgroups = new Set(cgroups);
    this.#tell = tell;
    this.#ofPod = ofPod;
  }

  /** Watches the cgroups of an app that is added. */
  add(app: NamedApp, cgroups: readonly AddedCgroup[], debug: Debug): void {
    const of = { app: app.name, field: app.field };
    for (const { path, version, limits } of cgroups) {
      const own = watchedLimit(path, version, limits, debug);
      const above = this.#ofPod.get(parentOf(path)) ?? [];
      for (const it of watchedCgroup(of, path, version, { own, above }, debug)) {
        this.#cgroups.add(it);
      }
    }
  }

  /** Watches the cgroups of an app no more. */
  remove(app: string): void {
    for (const cgroup of this.#cgroups) {
      if (cgroup.of === "pod" || cgroup.of.app !== app) continue;
      this.#cgroups.delete(cgroup);
      this.#counts.delete(cgroup.kills);
      cgroup.kills[Symbol.dispose]();
      for (const limit of cgroup.own) limit[Symbol.dispose]();
    }
  }

  /** Lists the events to wait for. Until it has been looked, an event would come again at once. */
  interests(): PollEvents[] {
    return this.#due === undefined ? this.#events : [];
  }

  /** Takes the events that have come. */
  onReady(ready: readonly PollEvents[], now: number): void {
    const fds = new Set(ready.map(({ fd }) => fd));
    if (!this.#events.some(({ fd }) => fds.has(fd))) return;
    this.#due ??= Math.max(now + SETTLE, this.#next);
  }

  /** Returns in how many milliseconds to look; `undefined` where nothing has happened. */
  dueIn(now: number): number | undefined {
    return this.#due === undefined ? undefined : Math.max(0, this.#due - now);
  }

  /**
   * Looks at the counts, and tells what has been killed. This is for the end of a process, too: not
   * every kernel has events.
   */
  look(now: number): void {
    this.#due = undefined;
    const reports = [...this.#cgroups].map((cgroup) => this.#examine(cgroup))
      .filter((report) => report !== undefined);
    for (const report of reports) this.#tell(describeMemoryKills(report));
    this.#next = now + (reports.length > 0 ? TELL_INTERVAL : LOOK_INTERVAL);
  }

  get #events(): PollEvents[] {
    return [...this.#cgroups].flatMap(({ kills }) => kills.interest ?? []);
  }

  #examine({ of, kills, own, above }: WatchedCgroup): MemoryKillReport | undefined {
    const before = this.#counts.get(kills) ?? 0;
    const count = kills.count();
    if (count <= before) return undefined;
    this.#counts.set(kills, count);
    // All are asked, because each tells what is new to it.
    const reached = [...own, ...above].filter((limit) => limit.isReached());
    return { of, count: count - before, limit: reached[0]?.limit };
  }
}

/** An app, as lines name it. */
interface NamedApp {
  name: string;
  /** Its place in the pod manifest. */
  field: string;
}

/**
 * Opens what tells of kills in a pod's cgroups: in those of the apps, or else in the pod's. In a
 * mutable pod, those of the apps are added later.
 *
 * @param tell Is called with each line.
 */
export function openMemoryWatch(
  { branches }: PodCgroups,
  { apps, isMutable }: { apps: readonly NamedApp[]; isMutable: boolean },
  tell: (line: string) => void,
  debug: Debug,
): MemoryWatch {
  const plans = branches.map(({ plan }) => plan).filter(tellsOfMemory);
  const ofPod = new Map(
    plans.map(({ path, version, limits }) => [path, watchedLimit(path, version, limits, debug)]),
  );
  const cgroups = isMutable
    ? []
    : plans.flatMap((plan) => watchedCgroups(plan, apps, ofPod.get(plan.path)!, debug));
  return new MemoryWatch(cgroups, tell, ofPod);
}

function watchedCgroups(
  { version, path, apps: ofApps }: PodCgroupPlan,
  apps: readonly NamedApp[],
  above: readonly WatchedLimit[],
  debug: Debug,
): WatchedCgroup[] {
  const fields = new Map(apps.map(({ name, field }) => [name, field]));
  const found = ofApps.flatMap(({ app, path, limits }) => {
    const own = watchedLimit(path, version, limits, debug);
    return watchedCgroup({ app, field: fields.get(app)! }, path, version, { own, above }, debug);
  });
  if (found.length > 0) return found;
  const [only, ...others] = apps;
  const of = only && others.length === 0 ? { app: only.name, field: only.field } : "pod";
  return watchedCgroup(of, path, version, { own: above, above: [] }, debug);
}

function watchedLimit(
  path: string,
  version: 1 | 2,
  limits: readonly CgroupLimit[],
  debug: Debug,
): WatchedLimit[] {
  const limit = memoryLimitOf(limits);
  if (limit === undefined) return [];
  return attempt(path, debug, () => {
    using directory = openFile(path, O_PATH | O_DIRECTORY);
    return [{ limit, ...openMemoryLimit(directory, version) }];
  });
}

function watchedCgroup(
  of: WatchedCgroup["of"],
  path: string,
  version: 1 | 2,
  limits: Pick<WatchedCgroup, "own" | "above">,
  debug: Debug,
): WatchedCgroup[] {
  return attempt(path, debug, () => {
    using directory = openFile(path, O_PATH | O_DIRECTORY);
    const kills = openMemoryKills(directory, version);
    return kills ? [{ of, kills, ...limits }] : [];
  });
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** A pod runs also where nothing can be told of its memory. */
function attempt<T>(path: string, debug: Debug, act: () => T[]): T[] {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    debug(`memory of cgroup ${path} is not watched: ${describeError(error)}`);
    return [];
  }
}
