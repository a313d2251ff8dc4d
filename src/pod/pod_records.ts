/**
 * What `run` records of a pod's apps for other entrypoints and for rkt, as long as the pod lives:
 * their exit statuses, and the processes that they began with.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { ProcessesRecord, type RecordedProcess } from "../stage1/processes_file.ts";
import { prepareStatus, removePreparedStatus, saveStatus } from "../stage1/status_files.ts";

/** The records. Their space on the disk is taken beforehand. */
export class PodRecords {
  readonly #statuses: Fd;
  readonly #record: ProcessesRecord;
  readonly #names: Set<string>;
  /** The last process of each app. */
  readonly #processes = new Map<string, RecordedProcess>();

  /**
   * Takes the space.
   *
   * @param podDirectory The pod's directory.
   * @param statuses The directory of the statuses.
   * @param names The apps that the pod begins with.
   * @throws {Error} when a file cannot be written.
   */
  constructor(podDirectory: Fd, statuses: Fd, names: readonly string[]) {
    this.#statuses = statuses;
    this.#names = new Set(names);
    for (const name of names) prepareStatus(statuses, name);
    this.#record = new ProcessesRecord(podDirectory, names);
  }

  /** Returns the last process of an app, if it has had one. */
  processOf(app: string): RecordedProcess | undefined {
    return this.#processes.get(app);
  }

  /**
   * Takes the space of an app that comes.
   *
   * @throws {Error} when a file cannot be written.
   */
  add(app: string): void {
    this.#record.setApps([...this.#names, app], [...this.#processes.values()]);
    this.#names.add(app);
    this.prepareStatus(app);
  }

  /**
   * Takes the space of the next status of an app, which has none until it ends.
   *
   * @throws {Error} when the disk has no space.
   */
  prepareStatus(app: string): void {
    prepareStatus(this.#statuses, app);
  }

  /**
   * Gives back the space of an app that goes. Its status stays, which is stage0's to remove.
   *
   * @throws {Error} when a file cannot be written.
   */
  remove(app: string): void {
    this.#names.delete(app);
    this.#processes.delete(app);
    this.#record.setApps([...this.#names], [...this.#processes.values()]);
    removePreparedStatus(this.#statuses, app);
  }

  /**
   * Records the process that an app has begun with.
   *
   * @throws {Error} when the file cannot be written.
   */
  started(app: string, process: RecordedProcess): void {
    this.#processes.set(app, process);
    this.#record.save([...this.#processes.values()]);
  }

  /**
   * Saves the status of an app that has ended.
   *
   * @throws {Error} when the file cannot be written.
   */
  saveStatus(app: string, status: number): void {
    saveStatus(this.#statuses, app, status);
  }
}
