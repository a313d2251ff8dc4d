/**
 * Removing a pod from its networks. `gc` does so, and `run` when it fails.
 *
 * @module
 */

import { removeFile } from "../linux/directory.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { giveBackHostPorts } from "./host_ports.ts";
import { isNetworkPinned, pinnedNetworkPath, unpinNetwork } from "./pinned_network.ts";
import { type CallContext, callPlugin, type RunProgram } from "./plugin.ts";
import { loadRecord, type NetworkRecord, type RecordedNetwork, removeRecord } from "./record.ts";

/** What tear-down needs. The working directory is the pod directory. */
export interface NetworkTearDown {
  uuid: string;
  /** This process's variables, `NAME=value` each. */
  environment: readonly string[];
  run: RunProgram;
  /** Whether no later entrypoint will try again what cannot be undone now. */
  isLast: boolean;
  /** Hears of each step as it is taken. */
  debug: (step: string) => void;
}

/** The CNI version from which on `DEL` gets the network's result. */
const TOLD_RESULT = [0, 4];

/**
 * Removes the pod from the networks of its record, in reverse order, unpins its network
 * namespace, and gives back its ports of the host.
 *
 * A plugin that fails does not stop the others: it may be gone from the host, or what it made may
 * be. After a failure, record and namespace stay for a later attempt, unless this one is the last.
 * Without a record, only a pinned namespace is unpinned.
 *
 * @returns What could not be undone, and why: one line each.
 * @throws {SyscallError} when the network namespace cannot be unpinned.
 */
export function tearDownNetworks(tearDown: NetworkTearDown): string[] {
  const { uuid, isLast, debug } = tearDown;
  const notes = leaveAll(tearDown);
  if (notes.length > 0 && !isLast) return notes;
  if (isNetworkPinned(uuid)) debug("let the network namespace go");
  unpinNetwork(uuid);
  giveBackHostPorts(uuid);
  return [...notes, ...forgetNetworks()];
}

/**
 * On a disk that refuses it the record stays: a pod may be taken from its networks twice. Others
 * take the namespace for a mount as long as the pod directory names it.
 */
function forgetNetworks(): string[] {
  try {
    removeRecord();
    removeFile(POD_PATHS.netns);
    return [];
  } catch (error) {
    return [describeError(error)];
  }
}

function leaveAll(tearDown: NetworkTearDown): string[] {
  let record: NetworkRecord | undefined;
  try {
    record = loadRecord();
  } catch (error) {
    return [describeError(error)];
  }
  if (record === undefined) return [];
  const { networks } = record;
  return networks.toReversed().flatMap((network) => leave(network, record, tearDown));
}

function leave(
  network: RecordedNetwork,
  { searchPath }: NetworkRecord,
  { uuid, environment, run, debug }: NetworkTearDown,
): string[] {
  const { name, ifName, args } = network;
  debug(`leave network ${name}`);
  // When the namespace is gone, plugins still undo what they did outside of it.
  const netns = isNetworkPinned(uuid) ? pinnedNetworkPath(uuid) : "";
  const context = { uuid, netns, searchPath, ifName, args, environment, run };
  return network.calls.toReversed().flatMap((call) => {
    // In the words of rkt's default stage1, which scripts look for.
    debug(`executing net-plugin ${call.type}`);
    return removePod(network, call, context);
  });
}

function removePod(
  { name, result }: RecordedNetwork,
  call: RecordedNetwork["calls"][number],
  context: CallContext,
): string[] {
  try {
    const isTold = result !== undefined && isAtLeast(call.cniVersion, TOLD_RESULT);
    callPlugin("DEL", call, isTold ? JSON.parse(result) : undefined, context);
    return [];
  } catch (error) {
    return [`--net=${name}: ${describeError(error)}`];
  }
}

function isAtLeast(version: string, least: readonly number[]): boolean {
  const numbers = version.split(".").map(Number);
  const difference = least.map((number, i) => (numbers[i] ?? 0) - number).find((it) => it !== 0);
  return (difference ?? 0) >= 0;
}
