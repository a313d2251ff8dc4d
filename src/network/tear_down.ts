/**
 * Taking a pod from its networks. `gc` does so, and `run` when it cannot go on.
 *
 * @module
 */

import { describeError } from "../stage1/entrypoint.ts";
import { isNetworkPinned, pinnedNetworkPath, unpinNetwork } from "./pinned_network.ts";
import { type CallContext, callPlugin, type RunProgram } from "./plugin.ts";
import { loadRecord, type NetworkRecord, type RecordedNetwork, removeRecord } from "./record.ts";

/** What it takes to call plugins for a pod. The working directory is the pod's. */
export interface NetworkTearDown {
  uuid: string;
  /** This program's variables, `NAME=value` each. */
  environment: readonly string[];
  run: RunProgram;
  /** Whether nobody comes later who could try again what cannot be undone now. */
  isLast: boolean;
  /** Hears of each step as it is taken. */
  debug: (step: string) => void;
}

/** From this version on, plugins are told the network's result when the pod leaves it. */
const TOLD_RESULT = [0, 4];

/**
 * Undoes what the record tells, in reverse, and lets the network namespace go. It goes on whatever fails: a
 * plugin may be gone from the host, or what it made. Unless it is the last who tries, record and namespace then stay
 * for who comes later. Doing so twice, or for a pod without networks, is fine.
 *
 * @returns What could not be undone, and why: one line each.
 * @throws {SyscallError} when the network namespace cannot be let go.
 */
export function tearDownNetworks(tearDown: NetworkTearDown): string[] {
  const { uuid, isLast, debug } = tearDown;
  const notes = leaveAll(tearDown);
  if (notes.length > 0 && !isLast) return notes;
  if (isNetworkPinned(uuid)) debug("let the network namespace go");
  unpinNetwork(uuid);
  removeRecord();
  return notes;
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
  // Without the namespace, plugins undo what they did outside of it.
  const netns = isNetworkPinned(uuid) ? pinnedNetworkPath(uuid) : "";
  const context = { uuid, netns, searchPath, ifName, args, environment, run };
  return network.calls.toReversed().flatMap((call) => removePod(network, call, context));
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
