/**
 * The annotations by which a pod, an app or an image tells this stage1 what the appc schema has no
 * field for. Most are this project's own; the one that begins with `appc.io` is the spec's, and
 * those that begin with `coreos.com/rkt` are rkt's.
 *
 * An operator gives an app one with `rkt run … IMAGE --annotation=NAME=VALUE`, or `rkt app add`; a
 * pod has them in its manifest, or from `rkt app sandbox`. What an image's own manifest says holds
 * for an app that says nothing else.
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
  /** Whether it is the operator's alone, so that an image's own manifest cannot say it. */
  operatorsAlone?: true;
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
  "coreos.com/rkt/stage1/mutable": {
    of: "pod",
    values: "true or false",
    does: "has the pod begin without apps, and stay when its last app ends: apps come and go",
    unlessSaid: "false",
  },
  "stage1-volo/image-privileges": {
    of: "app",
    values: "true or false",
    does: "lets the app's image ask for groups, and for more privileges than an app has by default",
    unlessSaid: "it may, and each thing is said",
    operatorsAlone: true,
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
    operatorsAlone: true,
  },
  "stage1-volo/log-format": {
    of: "app",
    values: "raw or cri",
    does: "keeps in the log the bytes as they were written, or each line with its time and stream",
    unlessSaid: "raw",
    operatorsAlone: true,
  },
  "stage1-volo/log-size": {
    of: "app",
    values: "a quantity of bytes from 64Ki on, such as 100Mi",
    does: "says how large a file of the log gets before another one is begun",
    unlessSaid: "16Mi",
    operatorsAlone: true,
  },
  "stage1-volo/log-files": {
    of: "app",
    values: "a number from 1 to 100",
    does: "says how many files of the log are kept, the one that grows among them",
    unlessSaid: "2",
    operatorsAlone: true,
  },
  "stage1-volo/log-to": {
    of: "app",
    values: "file, journald or both",
    does: "keeps the log in files of the pod, in the host's journal, or in both",
    unlessSaid: "file",
    operatorsAlone: true,
  },
  "coreos.com/rkt/experiment/logmode": {
    of: "pod",
    values: "k8s-plain",
    does: "keeps besides each app's log a file for Kubernetes, with lines of time, stream and text",
    unlessSaid: "no such file",
  },
  "coreos.com/rkt/experiment/kubernetes-log-dir": {
    of: "pod",
    values: "an absolute path of the host",
    does: "is the directory in which the files for Kubernetes are; it has to be there",
    unlessSaid: "an error with k8s-plain",
  },
  "coreos.com/rkt/experiment/kubernetes-log-path": {
    of: "app",
    values: "a path below the pod's kubernetes-log-dir, with no link, . or .. in it",
    does: "is the app's file for Kubernetes; the directory that it is in has to be there",
    unlessSaid: "an error with k8s-plain, unless the app has no output",
    operatorsAlone: true,
  },
  "appc.io/executor/supports-systemd-notify": {
    of: "app",
    values: "true or false",
    does: "has the pod count as ready only when the app has told so, by sd_notify(3)",
    unlessSaid: "false",
  },
} as const satisfies Readonly<Record<string, AnnotationRule>>;

/** The name of an annotation. */
export type AnnotationName = keyof typeof ANNOTATION_RULES;

/** An annotation that somebody has set. */
export interface FoundAnnotation<N extends string = AnnotationName> {
  name: N;
  value: string;
  /** Where, for errors: `apps[0].annotations[1]`. */
  place: string;
}

/** Finds an annotation of the pod's own. */
export function annotationOfPod(
  { manifest }: Pod,
  name: AnnotationName,
): FoundAnnotation | undefined {
  return findAnnotation(manifest.annotations, name, "");
}

/**
 * Finds an annotation of an app: in the pod manifest, else in the manifest of its image, unless it
 * is the operator's alone.
 */
export function annotationOfApp(
  { runtime, image, field }: PodApp,
  name: AnnotationName,
): FoundAnnotation | undefined {
  const { operatorsAlone }: AnnotationRule = ANNOTATION_RULES[name];
  return findAnnotation(runtime.annotations, name, `${field}.`) ??
    (operatorsAlone ? undefined : findAnnotation(image.annotations, name, placeOfImage(image)));
}

/**
 * Finds annotations by their names, whoever reads them.
 *
 * @returns The place of each, as messages name it: `annotations[0] (stage1-volo/log-size)`.
 */
export function placesOfAnnotations(
  annotations: readonly { name: string }[],
  names: readonly string[],
): string[] {
  return annotations.flatMap(({ name }, i) =>
    names.includes(name) ? [`annotations[${i}] (${name})`] : []
  );
}

/** What the names of our own annotations begin with. */
const OWN_NAMES = "stage1-volo/";

/**
 * Finds annotations that are named as ours are, and that nobody reads where they stand: misspelled,
 * or of an app where they are the pod's.
 *
 * @returns The place of each, as messages name it.
 */
export function unreadAnnotationsOf({ manifest, apps }: Pod): string[] {
  const among = (
    annotations: readonly { name: string }[],
    whose: AnnotationRule["of"],
    before: string,
  ) => {
    const rules: Readonly<Record<string, AnnotationRule>> = ANNOTATION_RULES;
    const names = annotations.map(({ name }) => name)
      .filter((name) => name.startsWith(OWN_NAMES) && rules[name]?.of !== whose);
    return placesOfAnnotations(annotations, names).map((place) => `${before}${place}`);
  };
  return [
    ...among(manifest.annotations, "pod", ""),
    ...apps.flatMap(({ runtime, image, field }) => [
      ...among(runtime.annotations, "app", `${field}.`),
      ...among(image.annotations, "app", placeOfImage(image)),
    ]),
  ];
}

/** Finds annotations of an app's image that have no effect: they are the operator's alone. */
export function foreignAnnotationsOf({ image }: PodApp): FoundAnnotation[] {
  const rules: [string, AnnotationRule][] = Object.entries(ANNOTATION_RULES);
  return rules.filter(([, { operatorsAlone }]) => operatorsAlone)
    .map(([name]) => findAnnotation(image.annotations, name as AnnotationName, placeOfImage(image)))
    .filter((annotation) => annotation !== undefined);
}

function placeOfImage({ name }: PodApp["image"]): string {
  return `image "${name}": `;
}

/**
 * Finds an annotation by its name, whoever reads it.
 *
 * @param before What is before its place, for errors: `apps[0].`.
 */
export function findAnnotation<N extends string>(
  annotations: readonly { name: string; value: string }[],
  name: N,
  before: string,
): FoundAnnotation<N> | undefined {
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
export function wrongAnnotation(
  { name, value, place }: FoundAnnotation<string>,
  why: string,
): Error {
  return new Error(`${place}.value: ${JSON.stringify(value)} ${why} (${name})`);
}
