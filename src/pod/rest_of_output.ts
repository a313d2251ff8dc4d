/**
 * What a pod's apps have written before they ended, and nobody has read yet.
 *
 * @module
 */

import { earliest } from "../linux/clock.ts";
import { POLLIN } from "../linux/poll.ts";
import type { SupervisedStreams } from "./supervised_pod.ts";
import type { SupervisorKernel } from "./supervisor_kernel.ts";
import type { SupervisorSignals } from "./supervisor_signals.ts";

/**
 * How many milliseconds there are to pass on the rest, once the pod was asked to end: the reader
 * may have stalled.
 */
const PATIENCE = 3_000;

/** The pod whose output is passed on. No process of it is left. */
export interface EndedPod {
  streams: SupervisedStreams;
  signals: Pick<SupervisorSignals, "fd" | "isAskedToEnd">;
  /** Whether an error has ended the pod. */
  hasFailed: boolean;
  /** Whether somebody has asked the pod to end. */
  isUrged(): boolean;
  /** Notes that somebody asks the pod to end. */
  urge(): void;
}

/**
 * Passes on the rest. Once the pod was asked to end, or has failed, that takes {@linkcode PATIENCE}
 * at most. When it is asked once more, the rest is dropped.
 *
 * @throws {Error} when a stream cannot be read.
 */
export function passOnRest(pod: EndedPod, kernel: SupervisorKernel): void {
  const { streams, signals } = pod;
  const now = () => kernel.monotonicMilliseconds();
  streams.podEnded();
  const signal = { fd: signals.fd, events: POLLIN };
  let deadline: number | undefined;
  while (!streams.isDone) {
    // Signals may also come while this process is stopped by one.
    if (pod.hasFailed || pod.isUrged()) deadline ??= now() + PATIENCE;
    const left = deadline && Math.max(0, deadline - now());
    if (left === 0) return;
    const untilNext = earliest([left, streams.untilNext()]);
    const ready = kernel.waitForEvents([signal, ...streams.interests()], untilNext);
    const isAsked = ready.some(({ fd }) => fd === signal.fd) && signals.isAskedToEnd();
    if (isAsked && pod.isUrged()) return;
    if (isAsked) pod.urge();
    streams.onReady(ready);
  }
}
