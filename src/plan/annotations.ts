/**
 * The annotations by which a pod, an app or an image tells this stage1 what the appc schema has no
 * field for.
 *
 * An operator gives an app one with `rkt run … IMAGE --annotation=NAME=VALUE`; a pod has them in
 * its manifest. What an image's own manifest says holds for an app that says nothing else.
 *
 * @module
 */

import type { Pod, PodApp } from "../stage1/pod.ts";

/** What there is to know about an annotation, for whoever sets it. */
export interface AnnotationRule {
  /** Whose annotation it is. */
  of: "pod" | "app";
  /** Which values it has: `true or false`. */
  values: string;
  /** What it does. */
  does: string;
  /** What holds where nobody says. */
  unlessSaid: string;
}

/** The rules, by name. */
export const ANNOTATION_RULES = {
  "stage1-volo/protect-kernel-paths": {
    of: "pod",
    values: "true or false",
    does: "hides or write-protects the paths of /proc and /sys that reach the whole machine",
    unlessSaid: "true in an isolated pod, else false",
  },
  "stage1-volo/follow-volume-links": {
    of: "pod",
    values: "true or false",
    does: "lets a volume's source be, or lead through, a symbolic link",
    unlessSaid: "true",
  },
  "stage1-volo/stop-signal": {
    of: "app",
    values: "a signal's name or number: SIGQUIT, QUIT, 3 or SIGRTMIN+3; not SIGSTOP",
    does: "is the signal by which the app is asked to end",
    unlessSaid: "SIGTERM",
  },
  "stage1-volo/stop-timeout": {
    of: "app",
    values: "whole seconds, from 0 to 9999999",
    does: "is the time that the app has to end in, once it is asked; with 0 it is killed at once",
    unlessSaid: "30",
  },
} as const satisfies Readonly<Record<string, AnnotationRule>>;

/** The name of an annotation. */
export type AnnotationName = keyof typeof ANNOTATION_RULES;

/** An annotation that somebody has set. */
export interface FoundAnnotation {
  name: AnnotationName;
  value: string;
  /** Where, for errors: `apps[0].annotations[1]`. */
  place: string;
}

/** Finds an annotation of the pod's own. */
export function annotationOfPod(
  { manifest }: Pod,
  name: AnnotationName,
): FoundAnnotation | undefined {
  return findAmong(manifest.annotations, name, "");
}

/** Finds an annotation of an app: in the pod manifest, else in the manifest of its image. */
export function annotationOfApp(
  { runtime, image, field }: PodApp,
  name: AnnotationName,
): FoundAnnotation | undefined {
  return findAmong(runtime.annotations, name, `${field}.`) ??
    findAmong(image.annotations, name, `image "${image.name}": `);
}

function findAmong(
  annotations: readonly { name: string; value: string }[],
  name: AnnotationName,
  before: string,
): FoundAnnotation | undefined {
  const i = annotations.findIndex((annotation) => annotation.name === name);
  const value = annotations[i]?.value;
  return value === undefined ? undefined : { name, value, place: `${before}annotations[${i}]` };
}

/**
 * Reads an annotation that says yes or no.
 *
 * @throws {Error} when it is neither `true` nor `false`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const name = "stage1-volo/follow-volume-links";
 * assertEquals(isTrue({ name, value: "false", place: "annotations[0]" }), false);
 * ```
 */
export function isTrue(annotation: FoundAnnotation): boolean {
  if (annotation.value === "true" || annotation.value === "false") {
    return annotation.value === "true";
  }
  throw wrongAnnotation(annotation, "is neither true nor false");
}

/** Returns the error about an annotation with a value that it cannot have. */
export function wrongAnnotation({ name, value, place }: FoundAnnotation, why: string): Error {
  return new Error(`${place}.value: ${JSON.stringify(value)} ${why} (${name})`);
}
