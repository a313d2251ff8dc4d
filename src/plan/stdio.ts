/**
 * Where the standard input, output and error of an app lead.
 *
 * rkt's user decides it with `--interactive` for the pod, or with `--stdin`, `--stdout` and
 * `--stderr` for one app, which become annotations of the app.
 *
 * @module
 */

import { findAnnotation, placesOfAnnotations, wrongAnnotation } from "./annotations.ts";

/** The standard streams, in the order of their descriptors. */
export const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** A standard stream. */
export type Stream = typeof STREAMS[number];

/** A stream that an app writes to. */
export type OutputStream = Exclude<Stream, "stdin">;

/**
 * Where a stream can lead:
 *
 * - `null`: to /dev/null;
 * - `caller`: to the caller's own stream;
 * - `relay`: to a pipe, by which the caller's stream is passed on;
 * - `console`: to the app's own terminal, which is shown in the caller's;
 * - `tty`: to the app's own terminal, to which others attach;
 * - `shared-tty`: the same, and it is shown in the caller's as well;
 * - `stream`: to a pipe, to which others attach;
 * - `log`: to the app's log, and from there to the caller.
 *
 * What is written to a stream that others attach to is in the app's log, too.
 */
export const STREAM_TARGETS = [
  "null",
  "caller",
  "relay",
  "console",
  "tty",
  "shared-tty",
  "stream",
  "log",
] as const;

/** Where a stream leads: one of {@linkcode STREAM_TARGETS}. */
export type StreamTarget = typeof STREAM_TARGETS[number];

/**
 * The kind of a stream of the caller's. `pipe` includes sockets, `file` everything else that has a
 * path.
 */
export type CallerStream = "terminal" | "pipe" | "file";

/** Where each stream of an app leads. */
export type StdioPlan = Readonly<Record<Stream, StreamTarget>>;

/** What the streams of an app are decided from. */
export interface StdioRequest {
  /** The app's place in the pod manifest, for errors: `apps[0]`. */
  place: string;
  /** The app's annotations in the pod manifest. */
  annotations: readonly { name: string; value: string }[];
  /** Whether the pod was started with `--interactive`. */
  interactive: boolean;
  /** The kinds of the caller's streams. */
  callers: Readonly<Record<Stream, CallerStream>>;
  /** Whether there are other apps in the pod, or may be. */
  severalApps: boolean;
  /** Where streams lead of which nothing is said. */
  defaults: StdioPlan;
}

/**
 * The streams of an app that `run` becomes; and of one that is alone in the host's namespaces,
 * unless something else is said. All are the caller's.
 */
export const CALLERS_STREAMS: StdioPlan = { stdin: "caller", stdout: "caller", stderr: "caller" };

/** The streams of every other app, unless something else is said. */
export const LOGGED_STREAMS: StdioPlan = { stdin: "null", stdout: "log", stderr: "log" };

/** The values of the annotations: rkt's Documentation/devel/log-attach-design.md. */
const MODES: Readonly<Record<Stream, readonly string[]>> = {
  stdin: ["interactive", "null", "stream", "tty"],
  stdout: ["interactive", "log", "null", "stream", "tty"],
  stderr: ["interactive", "log", "null", "stream", "tty"],
};

/**
 * Decides where an app's standard streams lead.
 *
 * `--interactive` goes before the annotations, as in rkt's own stage1.
 *
 * @throws {Error} when the streams cannot be what is asked for.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const callers = { stdin: "terminal", stdout: "terminal", stderr: "terminal" } as const;
 * const pod = { interactive: false, callers, severalApps: false, defaults: LOGGED_STREAMS };
 * const annotations = [{ name: "coreos.com/rkt/stage2/stdout", value: "null" }];
 * assertEquals(
 *   planStdio({ ...pod, place: "apps[0]", annotations }),
 *   { stdin: "null", stdout: "null", stderr: "log" },
 * );
 * ```
 */
export function planStdio(request: StdioRequest): StdioPlan {
  if (request.interactive) return interactiveStdio(request);
  const plan = (stream: Stream) => planStream(stream, request);
  return { stdin: plan("stdin"), stdout: plan("stdout"), stderr: plan("stderr") };
}

/**
 * Tells whether a stream is the app's own terminal. An app has one at the most, whichever streams
 * lead to it.
 */
export function isTerminalTarget(target: StreamTarget): boolean {
  return isShownTarget(target) || target === "tty";
}

/** Tells whether a stream is a terminal that is shown in the caller's. */
export function isShownTarget(target: StreamTarget): boolean {
  return target === "console" || target === "shared-tty";
}

/** Tells whether others attach to a stream. */
export function isAttachable(target: StreamTarget): boolean {
  return target === "tty" || target === "shared-tty" || target === "stream";
}

/**
 * Finds the annotations of an app that decide where its streams lead.
 *
 * @returns The place of each, as messages name it: `annotations[0] (coreos.com/rkt/stage2/stdin)`.
 */
export function placesOfStreamAnnotations(annotations: StdioRequest["annotations"]): string[] {
  return placesOfAnnotations(annotations, STREAMS.map(annotationOf));
}

function annotationOf(stream: Stream): string {
  return `coreos.com/rkt/stage2/${stream}`;
}

function interactiveStdio(request: StdioRequest): StdioPlan {
  if (request.severalApps) {
    throw new Error("--interactive: the pod has several apps, and one terminal");
  }
  const target = (stream: Stream) => interactiveTarget(stream, request);
  return { stdin: target("stdin"), stdout: target("stdout"), stderr: target("stderr") };
}

/**
 * A script that starts rkt has no terminal, but pipes to write to the app and read from it. A
 * stream that is neither a pipe nor a socket is passed on: with a terminal open, the app could read
 * what is typed there, and a file it could open once more.
 */
function interactiveTarget(stream: Stream, { callers, defaults }: StdioRequest): StreamTarget {
  if (defaults[stream] === "caller") return "caller";
  if (callers.stdin === "terminal") return "console";
  if (callers[stream] === "pipe") return "caller";
  return stream === "stdin" ? "relay" : "log";
}

function planStream(stream: Stream, request: StdioRequest): StreamTarget {
  const found = findAnnotation(request.annotations, annotationOf(stream), `${request.place}.`);
  if (found === undefined) return request.defaults[stream];
  const { value: mode } = found;
  const refuse = (why: string) => wrongAnnotation(found, why);
  if (!MODES[stream].includes(mode)) throw refuse(`is not one of ${MODES[stream].join(", ")}`);
  if (mode === "null" || mode === "log" || mode === "stream") return mode;
  const isShown = request.callers.stdin === "terminal" && !request.severalApps;
  if (mode === "tty") return isShown ? "shared-tty" : "tty";
  if (request.severalApps) throw refuse("is for a pod of one app: there is one terminal");
  return interactiveTarget(stream, request);
}
