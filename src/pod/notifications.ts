/**
 * What apps tell of themselves: each app whose annotation says that it does so has a socket of its
 * own, which only its own root shows.
 *
 * Apps are hostile. Who tells is looked up in the kernel; what is told is cut down to what concerns
 * the pod's start; and a flood waits in the socket, and its sender with it.
 *
 * @module
 */

import { monotonicMilliseconds } from "../linux/clock.ts";
import { receiveDatagrams, refuseDatagrams, takeDatagram } from "../linux/datagram.ts";
import { makeDirectory, removeFile, unlessThere } from "../linux/directory.ts";
import type { Fd } from "../linux/fd.ts";
import { readSetting } from "../linux/kernel_file.ts";
import { type PollEvents, POLLIN } from "../linux/poll.ts";
import { decodeText } from "../linux/text.ts";
import type { AppPlan } from "../plan/app.ts";
import { readNotification } from "../plan/notification.ts";
import type { Debug } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { ServiceManager } from "../stage1/service_manager.ts";

/** The most bytes of a message: what is behind them is lost. */
const LONGEST_MESSAGE = 4096;

/** How many messages are read at once, and how many milliseconds pass until the next are. */
const BATCH = 8;
const PAUSE = 200;

/** An app that tells of itself. */
interface Teller {
  app: string;
  socket: Fd;
  /** The cgroups in which its process began; undefined until then. */
  cgroups: string | undefined;
  isReady: boolean;
  /** Whether it has sent what cannot be taken, so that nothing more is read. */
  isRefused: boolean;
}

/**
 * The sockets of a pod's apps. They stay open to the end of this process: closing one closes the
 * files of messages in it, and one of them may be a connection that lingers.
 */
export class Notifications {
  readonly #tellers: readonly Teller[];
  readonly #manager: ServiceManager;
  readonly #debug: Debug;
  readonly #severalApps: boolean;
  /** Until when no socket is read, in milliseconds on the monotonic clock. */
  #pausedUntil = 0;

  /**
   * Makes the sockets, before the apps' roots are built.
   *
   * @param manager Is told the statuses of the apps.
   * @throws {SyscallError} when a socket cannot be made.
   */
  constructor(apps: readonly AppPlan[], manager: ServiceManager, debug: Debug) {
    this.#manager = manager;
    this.#debug = debug;
    this.#severalApps = apps.length > 1;
    this.#tellers = apps.flatMap(({ name, notification }) =>
      notification?.source === undefined ? [] : [this.#open(name, notification.source)]
    );
  }

  /** Whether every app that tells of itself has told that it is ready. */
  get isReady(): boolean {
    return this.#tellers.every(({ isReady }) => isReady);
  }

  /** Notes that an app's own program has been started. */
  appStarted(app: string, pid: number): void {
    const teller = this.#tellers.find((it) => it.app === app);
    if (teller !== undefined) teller.cgroups = cgroupsOf(pid);
  }

  /** Lists what to wait for. */
  interests(): PollEvents[] {
    if (this.untilNext() !== undefined) return [];
    return this.#tellers.filter(({ isRefused }) => !isRefused)
      .map(({ socket }) => ({ fd: socket.number, events: POLLIN }));
  }

  /** Returns how many milliseconds no socket is read; `undefined` if they are. */
  untilNext(): number | undefined {
    const left = this.#pausedUntil - monotonicMilliseconds();
    return left > 0 && this.#tellers.length > 0 ? Math.ceil(left) : undefined;
  }

  /** Reads what has been told. */
  onReady(events: readonly PollEvents[]): void {
    const fds = new Set(events.map(({ fd }) => fd));
    for (const teller of this.#tellers) {
      if (fds.has(teller.socket.number)) this.#read(teller);
    }
  }

  #open(app: string, path: string): Teller {
    // Nobody else on the host gets to the sockets.
    unlessThere(() => makeDirectory(POD_PATHS.notify, 0o700));
    // A `run` before this one may have failed.
    removeFile(path);
    const socket = receiveDatagrams(path);
    return { app, socket, cgroups: undefined, isReady: false, isRefused: false };
  }

  /** Of several statuses, the manager is told the last. */
  #read(teller: Teller): void {
    this.#pausedUntil = monotonicMilliseconds() + PAUSE;
    let status: string | undefined;
    for (let count = 0; count < BATCH; count++) {
      const message = takeDatagram(teller.socket, LONGEST_MESSAGE);
      if (message === undefined) break;
      if (message === "files") {
        this.#refuse(teller);
        break;
      }
      if (!this.#isFrom(teller, message.pid)) continue;
      const told = readNotification(decodeText(message.bytes));
      status = told.status ?? status;
      if (told.isReady && !teller.isReady) this.#debug(`${teller.app}: tells that it is ready`);
      teller.isReady ||= told.isReady;
    }
    if (status !== undefined) this.#manager.tell(this.#statusOf(teller, status));
  }

  #refuse(teller: Teller): void {
    teller.isRefused = true;
    refuseDatagrams(teller.socket);
    this.#debug(`${teller.app}: not heard any more: a message has files attached`);
  }

  /**
   * Tells whether a process belongs to an app, or is an `enter` into it: it is in the app's cgroup
   * or below. Other apps of the pod may find a way to the socket.
   */
  #isFrom({ app, cgroups }: Teller, pid: number): boolean {
    const found = cgroups !== undefined && pid > 0 ? cgroupsOf(pid) : undefined;
    if (found !== undefined && isWithin(found, cgroups!)) return true;
    this.#debug(`${app}: not heard: process ${pid}, which is not the app's, or has ended`);
    return false;
  }

  #statusOf({ app }: Teller, status: string): string {
    return `STATUS=${this.#severalApps ? `${app}: ` : ""}${status}`;
  }
}

function cgroupsOf(pid: number): string | undefined {
  try {
    return readSetting(`/proc/${pid}/cgroup`);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** Compares the text of proc_pid_cgroup(5), which has a line for each hierarchy. */
function isWithin(inner: string, outer: string): boolean {
  const [inners, outers] = [inner.split("\n"), outer.split("\n")];
  return inners.length === outers.length &&
    inners.every((line, i) => `${line}/`.startsWith(`${outers[i]!.replace(/\/$/, "")}/`));
}
