import { assertEquals } from "@std/assert";
import type { Isolators } from "../../appc/isolators.ts";
import { planBandwidth } from "./bandwidth.ts";

const NONE: Isolators = { unknown: [] };

function limited(field: string, limit: number): Isolators {
  return { unknown: [], networkBandwidth: { field, default: true, limit } };
}

function plan(ofPod: Isolators, ofApps: Isolators[], host: object = {}) {
  return planBandwidth({ ofPod, ofApps, kind: "contained", hasPlugin: true, ...host });
}

Deno.test("bytes become bits, in each direction, and a burst is a tenth of a second's", () => {
  const { limit, notes } = plan(NONE, [limited("app", 10_000_000)]);
  const [rate, burst] = [80_000_000, 8_000_000];
  assertEquals(notes, []);
  assertEquals(limit, {
    ingressRate: rate,
    ingressBurst: burst,
    egressRate: rate,
    egressBurst: burst,
  });
});

Deno.test("the smallest limit is one that the plugin does not take for none", () => {
  const { limit } = plan(limited("pod", 0), [NONE]);
  assertEquals([limit?.ingressRate, limit?.ingressBurst], [8, 8 * 256 * 1024]);
});

Deno.test("the largest burst is one that the plugin takes", () => {
  const burst = plan(limited("pod", 1e15), [NONE]).limit?.egressBurst ?? 0;
  assertEquals(burst / 8 < 2 ** 32, true);
});

Deno.test("an app's own limit holds where it is alone, and the smaller one counts", () => {
  assertEquals(plan(limited("pod", 3), [limited("app", 2)]).limit?.ingressRate, 16);
  assertEquals(plan(limited("pod", 3), [limited("app", 4)]).limit?.ingressRate, 24);
  const { limit, notes } = plan(limited("pod", 3), [limited("a", 2), NONE]);
  assertEquals(limit?.ingressRate, 24);
  assertEquals(notes, [
    "a (resource/network-bandwidth): not enforced: " +
    "the apps of a pod share its network, so only the pod's isolator holds",
  ]);
});

const obstacles: [host: object, why: string][] = [
  [{ kind: "host" }, "the app is in the host's network"],
  [{ kind: "none" }, "the pod is in no network"],
  [{ hasPlugin: false }, 'this host has no plugin "bandwidth" that shapes traffic'],
];

for (const [host, why] of obstacles) {
  Deno.test(`that ${why} is said of each isolator, and nothing else`, () => {
    assertEquals(plan(limited("pod", 3), [limited("app", 2)], host), {
      limit: undefined,
      notes: ["app", "pod"].map((field) =>
        `${field} (resource/network-bandwidth): not enforced: ${why}`
      ),
    });
    assertEquals(plan(NONE, [NONE], host).notes, []);
  });
}
