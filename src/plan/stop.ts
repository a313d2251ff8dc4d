/**
 * How an app is asked to end, and how long it has to do so: annotations of the app's.
 *
 * nginx finishes what it serves on SIGQUIT, postgres closes its connections on SIGINT. Of images
 * that docker2aci has made, docker's `StopSignal` is lost: docker2aci does not read it.
 *
 * @module
 */

import { signalNumber } from "../linux/signal_names.ts";
import { SIGKILL, SIGSTOP, SIGTERM } from "../linux/signal_numbers.ts";
import type { PodApp } from "../stage1/pod.ts";
import { annotationOfApp, type FoundAnnotation, wrongAnnotation } from "./annotations.ts";
import { tellIgnored } from "./fields.ts";

/** How an app is asked to end. */
export interface StopPlan {
  /** The signal that asks it. */
  signal: number;
  /** How many milliseconds it has, once it is asked. With 0 it is killed, and not asked. */
  patience: number;
}

/** How an app is asked to end that says nothing else. */
export const USUAL_STOP: StopPlan = { signal: SIGTERM, patience: 30_000 };

/** A number of seconds. */
const SECONDS = /^(?:0|[1-9][0-9]{0,6})$/;

/**
 * Decides how an app is asked to end.
 *
 * @throws {Error} when an annotation is no signal that can ask, or no number of seconds; the
 *   message names it.
 */
export function planStop(app: PodApp): StopPlan {
  const signal = annotationOfApp(app, "stage1-volo/stop-signal");
  const timeout = annotationOfApp(app, "stage1-volo/stop-timeout");
  return {
    signal: signal ? readSignal(signal) : USUAL_STOP.signal,
    patience: timeout ? 1000 * readSeconds(timeout) : USUAL_STOP.patience,
  };
}

/**
 * Lists the signals that an app hears although its caller may ignore them: the one that it asks to
 * be stopped by. A shell has its background jobs ignore SIGINT, and postgres would never be asked.
 */
export function heardSignals({ signal }: StopPlan): number[] {
  return signal === USUAL_STOP.signal || signal === SIGKILL ? [] : [signal];
}

/** Notes that an app has no time of its own, where `run` becomes it: one line. */
export function notesOnStopTimeout(app: PodApp): string[] {
  const timeout = annotationOfApp(app, "stage1-volo/stop-timeout");
  if (timeout === undefined) return [];
  const place = `${timeout.place} (${timeout.name})`;
  return [tellIgnored("stage1-volo/stop-timeout, one app in the host's namespaces", place)];
}

function readSignal(annotation: FoundAnnotation): number {
  const number = signalNumber(annotation.value);
  if (number === undefined) throw wrongAnnotation(annotation, "is no signal");
  if (number === SIGSTOP) throw wrongAnnotation(annotation, "stops an app, and does not end it");
  return number;
}

function readSeconds(annotation: FoundAnnotation): number {
  if (SECONDS.test(annotation.value)) return Number(annotation.value);
  throw wrongAnnotation(annotation, "is no number of seconds from 0 to 9999999");
}
