/**
 * The record of a pod's networks, by which `gc` undoes them, also when `run` was killed half-way. It is
 * written before the first plugin is called.
 *
 * @module
 */

import { removeFile } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openFile } from "../linux/open.ts";
import { readText, replaceFileAt } from "../linux/read_write.ts";
import { type JsonReader, readJson } from "../plan/network/json_reader.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { LocatedCall } from "./plugin.ts";

/** A network, with all that it takes to leave it. */
export interface RecordedNetwork {
  name: string;
  ifName: string;
  args: string;
  /** In the order in which they added the pod. */
  calls: LocatedCall[];
  /** What joining it came to, as its plugins said it; missing while it is not joined. */
  result?: string;
}

/** What `run` leaves for `gc`. */
export interface NetworkRecord {
  /** The directories of plugins, with colons between them. */
  searchPath: string;
  /** In the order in which they are joined. */
  networks: RecordedNetwork[];
}

/** Larger than what a reasonable number of networks comes to, in bytes. */
const LARGEST = 64 * 1024 * 1024;

/**
 * Writes the record into the working directory, which is the pod's.
 *
 * @throws {SyscallError}
 */
export function saveRecord(record: NetworkRecord): void {
  using directory = openFile(".", O_PATH | O_DIRECTORY);
  replaceFileAt(directory, POD_PATHS.networkRecord, `${JSON.stringify(record)}\n`);
}

/**
 * Reads the record of the pod whose directory is the working directory.
 *
 * @returns `undefined` when there is none: the pod never had a network of its own, or no longer has.
 * @throws {Error} when it makes no sense.
 */
export function loadRecord(): NetworkRecord | undefined {
  try {
    using fd = openFile(POD_PATHS.networkRecord, O_RDONLY);
    return readRecord(readText(fd, LARGEST));
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * Removes the record. Doing so twice is fine.
 *
 * @throws {SyscallError}
 */
export function removeRecord(): void {
  removeFile(POD_PATHS.networkRecord);
}

/**
 * Reads the text of a record.
 *
 * @throws {Error} in one line.
 */
export function readRecord(text: string): NetworkRecord {
  const reader = readJson(text, POD_PATHS.networkRecord);
  return {
    searchPath: reader.requireText("searchPath"),
    networks: (reader.objects("networks") ?? []).map(readNetwork),
  };
}

function readNetwork(reader: JsonReader): RecordedNetwork {
  const result = reader.text("result");
  return {
    name: reader.requireText("name"),
    ifName: reader.requireText("ifName"),
    args: reader.text("args") ?? "",
    calls: (reader.objects("calls") ?? []).map(readCall),
    ...(result === undefined ? {} : { result }),
  };
}

function readCall(reader: JsonReader): LocatedCall {
  return {
    type: reader.requireText("type"),
    path: reader.requireText("path"),
    cniVersion: reader.requireText("cniVersion"),
    configuration: reader.requireText("configuration"),
  };
}
