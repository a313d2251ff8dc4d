/**
 * The limit of a pod's traffic: the isolator `resource/network-bandwidth`, for the CNI plugin
 * `bandwidth`.
 *
 * @module
 */

import type { Isolators } from "../../appc/isolators.ts";

/** The plugin that shapes a pod's traffic, and the capability by which networks ask for a limit. */
export const BANDWIDTH = "bandwidth";

/** A limit, as CNI's capability `bandwidth` has it: bits in a second, and bits at once. */
export interface BandwidthLimit {
  ingressRate: number;
  ingressBurst: number;
  egressRate: number;
  egressBurst: number;
}

/** What decides about the limit of a pod's traffic. */
export interface BandwidthRequest {
  ofPod: Isolators;
  ofApps: readonly Isolators[];
  /** The pod's kind of network. */
  kind: "host" | "none" | "contained";
  /** Whether the host has the plugin. */
  hasPlugin: boolean;
}

/** The limit of a pod's traffic, and notes on isolators without effect, one line each. */
export interface BandwidthPlan {
  limit: BandwidthLimit | undefined;
  notes: string[];
}

/** How many bytes may go at once: what comes in this time, and at least a few large packets. */
const BURST = { seconds: 0.1, least: 256 * 1024, most: 2 ** 31 };

/** The largest number that JavaScript writes exactly. */
const LARGEST = Number.MAX_SAFE_INTEGER;

/**
 * Plans the limit of a pod's traffic: of each of its networks, and of each direction, as the
 * isolator is for reading and writing.
 *
 * Apps of a pod have one network, so an app's own isolator holds where it is the only one. Where
 * there is the pod's as well, the smaller one counts.
 */
export function planBandwidth(request: BandwidthRequest): BandwidthPlan {
  const { ofPod, ofApps } = request;
  const shared = ofApps.length > 1 ? ofApps : [];
  const effective = [...ofApps.filter((app) => !shared.includes(app)), ofPod];
  const obstacle = describeObstacle(request);
  if (obstacle !== undefined) {
    return { limit: undefined, notes: tell([...ofApps, ofPod], obstacle) };
  }
  const limits = effective.map(({ networkBandwidth }) => networkBandwidth?.limit)
    .filter((limit) => limit !== undefined);
  return {
    limit: limits.length === 0 ? undefined : limitOf(Math.min(...limits)),
    notes: tell(shared, SHARED),
  };
}

const SHARED = "the apps of a pod share its network, so only the pod's isolator holds";

/** Notes that an app which is added to a pod has no limit of its own: one line. */
export function notesOnAddedTraffic(ofApp: Isolators, kind: BandwidthRequest["kind"]): string[] {
  return tell([ofApp], describeObstacle({ kind, hasPlugin: true }) ?? SHARED);
}

function describeObstacle(
  { kind, hasPlugin }: Pick<BandwidthRequest, "kind" | "hasPlugin">,
): string | undefined {
  if (kind === "host") return "the app is in the host's network";
  if (kind === "none") return "the pod is in no network";
  if (!hasPlugin) return `this host has no plugin "${BANDWIDTH}" that shapes traffic`;
  return undefined;
}

function tell(isolators: readonly Isolators[], why: string): string[] {
  return isolators.flatMap(({ networkBandwidth }) =>
    networkBandwidth === undefined
      ? []
      : [`${networkBandwidth.field} (resource/network-bandwidth): not enforced: ${why}`]
  );
}

/**
 * @param limit In bytes per second. To the plugin, a rate of 0 means none, so that a limit of 0 is
 * one byte.
 */
function limitOf(limit: number): BandwidthLimit {
  const burst = Math.min(Math.max(limit * BURST.seconds, BURST.least), BURST.most);
  const rate = bits(Math.max(limit, 1));
  return {
    ingressRate: rate,
    ingressBurst: bits(burst),
    egressRate: rate,
    egressBurst: bits(burst),
  };
}

function bits(bytes: number): number {
  return Math.min(8 * Math.floor(bytes), LARGEST);
}
