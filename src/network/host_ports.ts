/**
 * The ports of the host that lead to pods: each pod takes its own before it joins its networks, and
 * gives them back when it has left them.
 *
 * The rules of the host are no list of that: they are still there when a pod was killed, and two
 * pods with one port both have theirs. So each pod has a file, which its `run` and its network
 * keeper hold locked: the ports in it are taken as long as either of them lives. Whoever takes
 * ports looks and writes alone, by a lock of the directory.
 *
 * @module
 */

import { monotonicMilliseconds, waitMilliseconds } from "../linux/clock.ts";
import {
  listIfThere,
  makeDirectories,
  makeDirectory,
  removeFile,
  unlessThere,
} from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { lockFile, tryLockFile } from "../linux/file_lock.ts";
import { namespaceIdentity } from "../linux/namespaces.ts";
import { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, openFile } from "../linux/open.ts";
import { workingDirectory } from "../linux/path.ts";
import { readText, writeText } from "../linux/read_write.ts";
import { isPortTaken } from "../linux/socket_address.ts";
import { exists } from "../linux/stat.ts";
import type { PortMapping } from "../plan/network/forwarded_ports.ts";
import {
  findPortConflicts,
  formatPortRecord,
  type PortConflict,
  type PortRecord,
  readPortRecord,
} from "../plan/network/port_records.ts";
import { writingFile } from "../stage1/context.ts";

/** The directory that has a file for each pod with ports of the host, by the pod's UUID. */
const DIRECTORY = "/run/stage1-volo/ports";

/** The most bytes of a record. */
const LARGEST = 1024 * 1024;

/** Where rkt moves the directories of pods that have ended, in this order, beside `run`. */
const GARBAGE = ["exited-garbage", "garbage"];

/**
 * How many milliseconds to wait for a port whose pod may be about to end, and how often to look.
 */
const PATIENCE = { milliseconds: 2000, interval: 50 };

/** The ports that a pod has taken. */
export interface TakenPorts {
  /** Held as long as the ports are taken. */
  held: Fd;
  /** What was found of pods that have ended, one line each. */
  notes: string[];
}

/**
 * Takes the ports of the host that a pod wants. The working directory is the pod directory, and the
 * thread is in the host's network.
 *
 * @param leave Takes a pod from its networks that was killed before it had left them.
 * @returns `undefined` when it wants none.
 * @throws {Error} when another pod has one of them, or a process of the host.
 */
export function takeHostPorts(
  uuid: string,
  wanted: readonly PortMapping[],
  leave: (record: PortRecord) => string[],
): TakenPorts | undefined {
  if (wanted.length === 0) return undefined;
  makePortDirectory();
  const notes: string[] = [];
  const left = new Set<string>();
  const deadline = monotonicMilliseconds() + PATIENCE.milliseconds;
  for (;;) {
    const { held, running, ended } = tryToTake(uuid, wanted, left);
    if (held !== undefined) return { held, notes };
    for (const record of ended) {
      left.add(record.pod);
      notes.push(...leaveEnded(record, leave));
    }
    const [conflict] = running;
    if (conflict === undefined) continue;
    if (monotonicMilliseconds() > deadline) throw describeConflict(conflict);
    waitMilliseconds(PATIENCE.interval);
  }
}

/**
 * Gives back the ports of the host that a pod has taken. Without any, does nothing.
 *
 * @throws {SyscallError} when the pod's file cannot be removed.
 */
export function giveBackHostPorts(uuid: string): void {
  try {
    removeFile(`${DIRECTORY}/${uuid}`);
  } catch (error) {
    if (!failedWith(error, "ENOTDIR")) throw error;
  }
}

/** Takes a pod that was killed from its networks. What is left of it is told. */
function leaveEnded(record: PortRecord, leave: (record: PortRecord) => string[]): string[] {
  const { pod } = record;
  const directory = placesOf(record).find(exists);
  if (directory !== undefined) {
    return leave({ ...record, directory }).map((line) => `pod ${pod}: ${line}`);
  }
  giveBackHostPorts(pod);
  return [`pod ${pod}: its directory is gone: rules of it may be left that lead its ports nowhere`];
}

/** Lists where a pod's directory may be: `rkt gc` moves those of pods that have ended. */
function placesOf({ pod, directory }: PortRecord): string[] {
  const states = directory.slice(0, directory.lastIndexOf("/run/"));
  return [directory, ...GARBAGE.map((state) => `${states}/${state}/${pod}`)];
}

/** What came of one attempt: the ports are taken, or others have them. */
interface Attempt {
  held?: Fd;
  /** Ports that lead to pods that run. */
  running: PortConflict[];
  /** Pods that have ended, and have not left their networks. */
  ended: PortRecord[];
}

/** @param left The pods that have ended whose networks need not be left once more. */
function tryToTake(
  uuid: string,
  wanted: readonly PortMapping[],
  left: ReadonlySet<string>,
): Attempt {
  using _turn = takeTurn();
  const network = namespaceIdentity("thread-self", "net")!;
  const records = readRecords(uuid).filter(({ pod }) => !left.has(pod));
  const conflicts = findPortConflicts(wanted, network, records);
  const running = conflicts.filter(({ other }) => isHeld(other));
  const ended = conflicts.filter((it) => !running.includes(it)).map(({ other }) => other);
  if (conflicts.length > 0) return { running, ended: [...new Set(ended)] };
  refusePortsOfHost(wanted);
  const directory = workingDirectory();
  const ports = wanted.map(({ protocol, hostPort, hostIP }) => ({
    protocol,
    hostPort,
    ...(hostIP === undefined ? {} : { hostIP }),
  }));
  const held = writeRecord({ pod: uuid, directory, network, ports });
  return { held, running: [], ended: [] };
}

/** @returns The file, locked. */
function writeRecord(record: PortRecord): Fd {
  const path = `${DIRECTORY}/${record.pod}`;
  const file = openFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  if (!tryLockFile(file)) throw new Error("another run of this pod has its ports");
  try {
    writingFile(path, () => writeText(file, formatPortRecord(record)));
    return file;
  } catch (error) {
    giveBackHostPorts(record.pod);
    throw error;
  }
}

function makePortDirectory(): void {
  makeDirectories(DIRECTORY.slice(0, DIRECTORY.lastIndexOf("/")));
  // Whoever may open it could lock it, and keep every pod from starting.
  unlessThere(() => makeDirectory(DIRECTORY, 0o700));
}

function takeTurn(): Fd {
  const directory = openFile(DIRECTORY, O_RDONLY | O_DIRECTORY);
  lockFile(directory);
  return directory;
}

/** @param own The pod whose record is not read. */
function readRecords(own: string): PortRecord[] {
  return listIfThere(DIRECTORY).filter((pod) => pod !== own).map(readRecord)
    .filter((record) => record !== undefined);
}

function readRecord(pod: string): PortRecord | undefined {
  return withRecord(pod, (file) => readPortRecord(readText(file, LARGEST)));
}

/** Tells whether the pod's `run` or its network keeper lives. */
function isHeld({ pod }: PortRecord): boolean {
  return withRecord(pod, (file) => !tryLockFile(file)) ?? false;
}

/** Opens a pod's record; without one, the pod has left its networks meanwhile. */
function withRecord<T>(pod: string, act: (file: Fd) => T): T | undefined {
  try {
    using file = openFile(`${DIRECTORY}/${pod}`, O_RDONLY | O_NOFOLLOW);
    return act(file);
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * A port that leads to a pod is no longer the host's: who listens there would hear nothing more.
 */
function refusePortsOfHost(wanted: readonly PortMapping[]): void {
  wanted.forEach(({ protocol, hostPort, hostIP = "0.0.0.0" }, i) => {
    if (protocol === "sctp" || hostIP.includes(":")) return;
    if (!isPortTaken(protocol, hostIP, hostPort)) return;
    throw new Error(
      `ports[${i}].hostPort: ${protocol} port ${hostPort} of the host: a process of the host has it`,
    );
  });
}

function describeConflict({ index, port, other }: PortConflict): Error {
  const { protocol, hostPort } = port;
  return new Error(
    `ports[${index}].hostPort: ${protocol} port ${hostPort} of the host leads to pod ${other.pod}`,
  );
}
