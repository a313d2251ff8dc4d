/**
 * The file in which `run` leaves what tells the processes of its apps from all others, whatever
 * they make of their root: for `enter`, `stop` and `gc`. It lies outside of the apps' roots.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { mountsNumber } from "../linux/namespaces.ts";
import { startOf } from "../linux/proc.ts";
import {
  exchangeFileAt,
  prepareFileAt,
  readKernelFile,
  replaceFileAt,
  rewritePreparedFileAt,
} from "../linux/read_write.ts";
import { SIGRTMAX, SIGTERM } from "../linux/signal_numbers.ts";
import { statFd } from "../linux/stat.ts";
import { withContext, writingFile } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** The process that an app began with. */
export interface RecordedProcess {
  app: string;
  pid: number;
  /** When it began: no other process with its id did. See {@linkcode startOf}. */
  start: string;
  /** The mount namespace that was made for the app, in the form of `FileStatus.identity`. */
  mounts: string;
  /** The same namespace by a number that is never used again, where the kernel has one. */
  mountsNumber?: string | undefined;
  /** The signal by which `stop` asks it to end, where `run` became the app and nobody else does. */
  stopSignal?: number | undefined;
}

/**
 * Describes a process for the record.
 *
 * @param mounts The mount namespace that was made for its app.
 * @throws {Error} when the process is gone.
 */
export function describeProcess(app: string, pid: number, mounts: Fd): RecordedProcess {
  const start = startOf(pid);
  if (start === undefined) throw new Error(`process ${pid} of app "${app}" is gone`);
  const number = mountsNumber(mounts);
  const process = { app, pid, start, mounts: statFd(mounts).identity };
  return number === undefined ? process : { ...process, mountsNumber: number };
}

/**
 * Writes the record of a pod whose processes do not change any more.
 *
 * @param podDirectory The pod's directory.
 * @throws {Error} when the file cannot be written.
 */
export function saveProcesses(podDirectory: Fd, processes: readonly RecordedProcess[]): void {
  const text = recordOf(bootId(), processes);
  writingFile(POD_PATHS.processes, () => replaceFileAt(podDirectory, POD_PATHS.processes, text));
}

/**
 * The record of a pod whose apps are still to start. Its space on the disk is taken at once, and
 * again when apps come and go.
 */
export class ProcessesRecord {
  readonly #podDirectory: Fd;
  readonly #boot = bootId();
  /** How many bytes each of the two files has that take turns. */
  #size = 0;

  /**
   * Writes an empty record.
   *
   * @param podDirectory The pod's directory.
   * @param apps The names of its apps.
   * @throws {Error} when the file cannot be written.
   */
  constructor(podDirectory: Fd, apps: readonly string[]) {
    this.#podDirectory = podDirectory;
    this.setApps(apps, []);
  }

  /**
   * Takes the space that a record of these apps needs, and writes it anew.
   *
   * @param apps The names of all apps.
   * @param processes The last process of each app that has one.
   * @throws {Error} when the file cannot be written. The one from before is still there then.
   */
  setApps(apps: readonly string[], processes: readonly RecordedProcess[]): void {
    const before = this.#size;
    this.#size = recordOf(this.#boot, apps.map(longestDescription)).length;
    const text = this.#text(processes);
    try {
      writingFile(POD_PATHS.processes, () => {
        replaceFileAt(this.#podDirectory, POD_PATHS.processes, text);
        prepareFileAt(this.#podDirectory, POD_PATHS.processes, text);
      });
    } catch (error) {
      this.#size = before;
      throw error;
    }
  }

  /**
   * Writes the record anew. A full disk has room for it.
   *
   * @param processes The last process of each app.
   * @throws {Error} when the file cannot be written.
   */
  save(processes: readonly RecordedProcess[]): void {
    writingFile(POD_PATHS.processes, () => {
      rewritePreparedFileAt(this.#podDirectory, POD_PATHS.processes, this.#text(processes));
      exchangeFileAt(this.#podDirectory, POD_PATHS.processes);
    });
  }

  #text(processes: readonly RecordedProcess[]): string {
    return recordOf(this.#boot, processes).padEnd(this.#size);
  }
}

function recordOf(boot: string, processes: readonly RecordedProcess[]): string {
  return JSON.stringify({ boot, processes });
}

/** Describes a process with numbers of 64 bits, the longest that there are. */
function longestDescription(app: string): RecordedProcess {
  const number = "18446744073709551615";
  return {
    app,
    pid: Number.MAX_SAFE_INTEGER,
    start: number,
    mounts: `${number} ${number}`,
    mountsNumber: number,
  };
}

/**
 * Reads the record.
 *
 * @returns None before the apps have begun, and after a reboot: all numbers mean others then.
 * @throws {Error} when there is a record that cannot be read.
 */
export function loadProcesses(): RecordedProcess[] {
  return withContext(POD_PATHS.processes, () => {
    const text = readIfThere();
    return text === undefined ? [] : processesIn(text, bootId());
  });
}

/**
 * Returns the signal by which `stop` asks the apps of a record to end.
 *
 * An app with all privileges of the host's root can change the record, as it can everything else.
 *
 * @throws {Error} when the record has something else than a signal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const process = { app: "a", pid: 7, start: "90", mounts: "4 2" };
 * assertEquals(stopSignalIn([{ ...process, stopSignal: 3 }]), 3);
 * assertEquals(stopSignalIn([process]), 15);
 * ```
 */
export function stopSignalIn([first]: readonly RecordedProcess[]): number {
  const signal = first?.stopSignal ?? SIGTERM;
  if (Number.isInteger(signal) && signal >= 1 && signal <= SIGRTMAX) return signal;
  throw new Error(`${POD_PATHS.processes}: stopSignal: not as run wrote it`);
}

/**
 * Finds the processes in the text of a record.
 *
 * @param boot What the kernel calls the time since it was started.
 * @throws {Error} when the text is not as `run` wrote it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const text = '{"boot":"b","processes":[{"app":"a","pid":7,"start":"90","mounts":"4 2"}]}';
 * assertEquals(processesIn(text, "b").map(({ pid }) => pid), [7]);
 * assertEquals(processesIn(text, "another"), []);
 * ```
 */
export function processesIn(text: string, boot: string): RecordedProcess[] {
  const record = JSON.parse(text);
  if (!isRecord(record)) throw new Error("not as run wrote it");
  return record.boot === boot ? record.processes : [];
}

function isRecord(value: unknown): value is { boot: string; processes: RecordedProcess[] } {
  return isObject(value) && typeof value["boot"] === "string" &&
    Array.isArray(value["processes"]) && value["processes"].every(isProcess);
}

function isProcess(value: unknown): boolean {
  return isObject(value) && Number.isSafeInteger(value["pid"]) &&
    ["app", "start", "mounts"].every((field) => typeof value[field] === "string");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function readIfThere(): string | undefined {
  try {
    return Deno.readTextFileSync(POD_PATHS.processes);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function bootId(): string {
  return readKernelFile("/proc/sys/kernel/random/boot_id").trimEnd();
}
