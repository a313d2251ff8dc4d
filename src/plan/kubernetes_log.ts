/**
 * The logs that a pod keeps for Kubernetes: files that the kubelet names, in a directory of the
 * host. rkt's annotations tell of them, and only the pod's operator can set these.
 *
 * @module
 */

import type { Pod, PodApp } from "../stage1/pod.ts";
import {
  annotationOfApp,
  annotationOfPod,
  type FoundAnnotation,
  placesOfAnnotations,
  wrongAnnotation,
} from "./annotations.ts";
import { type FieldName, tellIgnored } from "./fields.ts";
import type { StdioPlan } from "./stdio.ts";

const MODE = "coreos.com/rkt/experiment/logmode";
const DIRECTORY = "coreos.com/rkt/experiment/kubernetes-log-dir";
const PATH = "coreos.com/rkt/experiment/kubernetes-log-path";

/** The only mode that rkt knows: lines `TIME STREAM TEXT`. */
const PLAIN = "k8s-plain";

/** A file or a directory of the host's that a manifest names. */
export interface NamedPath {
  path: string;
  /** What names it, for errors: `annotations[1] (coreos.com/rkt/experiment/kubernetes-log-dir)`. */
  field: string;
}

/**
 * Decides in which directory of the host the apps of a pod have logs for Kubernetes.
 *
 * @returns `null` for a pod that has none.
 * @throws {Error} when an annotation has a value that it cannot have, or one is missing.
 */
export function planKubernetesDirectory(pod: Pod): NamedPath | null {
  const mode = annotationOfPod(pod, MODE);
  if (mode === undefined) return null;
  if (mode.value !== PLAIN) throw wrongAnnotation(mode, `is not ${PLAIN}`);
  const directory = annotationOfPod(pod, DIRECTORY);
  if (directory === undefined) {
    throw new Error(`${mode.place} (${mode.name}): ${PLAIN} needs the pod's ${DIRECTORY}`);
  }
  if (!directory.value.startsWith("/")) throw wrongAnnotation(directory, "is not an absolute path");
  return namedPath(directory);
}

/**
 * Decides which file of that directory is an app's log for Kubernetes. An app whose streams pass by
 * `run` needs one; one that writes nothing, or straight to the caller, may have none.
 *
 * @returns `null` for an app that has none.
 * @throws {Error} when the annotation has a value that it cannot have, or is missing.
 */
export function planKubernetesLog(pod: Pod, app: PodApp, stdio: StdioPlan): NamedPath | null {
  if (annotationOfPod(pod, MODE) === undefined) return null;
  const path = annotationOfApp(app, PATH);
  if (path !== undefined) return namedPath(withNamesAlone(path));
  const isWritten = [stdio.stdout, stdio.stderr].some((it) => it !== "null" && it !== "caller");
  if (!isWritten) return null;
  throw new Error(`${app.field}.annotations: ${PATH} is missing: the pod's ${MODE} is ${PLAIN}`);
}

/**
 * Notes which annotations of a pod and its apps have no effect: those of a pod without the log
 * mode, or of which every app has the caller's streams.
 *
 * @param isLogged Whether the pod has an app that is logged, or may get one.
 */
export function notesOnKubernetesLogs(pod: Pod, isLogged: boolean): string[] {
  const row = rowWithoutEffect(pod, isLogged);
  if (row === undefined) return [];
  const ofPod = placesOfAnnotations(pod.manifest.annotations, [MODE, DIRECTORY]);
  return [
    ...ofPod.map((place) => tellIgnored(row, place)),
    ...pod.apps.flatMap((app) => notesOnKubernetesPath(pod, app, isLogged)),
  ];
}

/** Notes whether an app's annotation has no effect, for the same reasons. */
export function notesOnKubernetesPath(
  pod: Pod,
  { field, runtime: { annotations } }: PodApp,
  isLogged: boolean,
): string[] {
  const row = rowWithoutEffect(pod, isLogged);
  if (row === undefined) return [];
  return placesOfAnnotations(annotations, [PATH])
    .map((place) => tellIgnored(row, `${field}.${place}`));
}

function rowWithoutEffect(pod: Pod, isLogged: boolean): FieldName | undefined {
  if (annotationOfPod(pod, MODE) === undefined) {
    return "annotations for Kubernetes' logs, without its log mode";
  }
  return isLogged
    ? undefined
    : "annotations for Kubernetes' logs, one app in the host's namespaces";
}

function namedPath({ name, value, place }: FoundAnnotation): NamedPath {
  return { path: value, field: `${place} (${name})` };
}

/** The kernel refuses links on the way as well, when the file is opened. */
function withNamesAlone(annotation: FoundAnnotation): FoundAnnotation {
  const names = annotation.value.split("/");
  const isBelow = names.every((name) => !["", ".", ".."].includes(name) && !name.includes("\0"));
  if (isBelow) return annotation;
  throw wrongAnnotation(annotation, `is not a path below ${DIRECTORY}`);
}
