/**
 * The record of a pod's networks, from which `gc` removes the pod from them. It is written before
 * the first plugin is called, so that it is there even when `run` is killed half-way.
 *
 * @module
 */

import { removeFile } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { O_RDONLY, openFile } from "../linux/open.ts";
import { readText } from "../linux/read_write.ts";
import { type JsonReader, readJson } from "../plan/network/json_reader.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { savePodFile } from "../stage1/pod_file.ts";
import type { LocatedCall } from "./plugin.ts";

/** A network, with what is needed to leave it. */
export interface RecordedNetwork {
  name: string;
  ifName: string;
  args: string;
  /** The plugins, in the order in which they added the pod. */
  calls: LocatedCall[];
  /** The result of joining it, as its plugins printed it; missing until it is joined. */
  result?: string;
}

/** The record that `run` leaves for `gc`. */
export interface NetworkRecord {
  /** The directories of plugins, separated by colons. */
  searchPath: string;
  /** The networks, in the order in which they are joined. */
  networks: RecordedNetwork[];
}

/** The most bytes of a record that are read. */
const LARGEST = 64 * 1024 * 1024;

/**
 * Writes the record into the working directory, which is the pod directory.
 *
 * @throws {Error} when the file cannot be written.
 */
export function saveRecord(record: NetworkRecord): void {
  savePodFile(POD_PATHS.networkRecord, `${JSON.stringify(record)}\n`);
}

/**
 * Reads the record of the pod whose directory is the working directory.
 *
 * @returns The record; `undefined` when the pod has never had networks of its own, or has left
 * them.
 * @throws {Error} when the file cannot be read, or is no record.
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
 * Removes the record. Without a record, does nothing.
 *
 * @throws {SyscallError} when the file cannot be removed.
 */
export function removeRecord(): void {
  removeFile(POD_PATHS.networkRecord);
}

/**
 * Reads the text of a record.
 *
 * @throws {Error} when it is no record; the message is one line.
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
