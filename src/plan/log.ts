/**
 * How what an app writes is kept, as its operator says by annotations of the app.
 *
 * An image has no say in it: its app could fill the host's disk.
 *
 * @module
 */

import { NOT_A_QUANTITY, parseQuantity } from "../appc/quantity.ts";
import type { PodApp } from "../stage1/pod.ts";
import {
  type AnnotationName,
  annotationOfApp,
  type FoundAnnotation,
  wrongAnnotation,
} from "./annotations.ts";
import type { NamedPath } from "./kubernetes_log.ts";

/**
 * How bytes become a log:
 *
 * - `raw`: as they were written, both streams in one;
 * - `cri`: each line behind its time, its stream and a tag, as Kubernetes' tools read it.
 */
export type LogFormat = "raw" | "cri";

const FORMATS: Readonly<Record<string, LogFormat>> = { raw: "raw", cri: "cri" };

/** Where a log is kept: in files of the pod, or in the host's journal. */
export type LogTarget = "file" | "journald";

const TARGETS: Readonly<Record<string, readonly LogTarget[]>> = {
  file: ["file"],
  journald: ["journald"],
  both: ["file", "journald"],
};

/** How an app is logged. */
export interface LogPlan {
  to: readonly LogTarget[];
  /** How it is kept in files. */
  format: LogFormat;
  /** The most bytes of a file. */
  size: number;
  /** The most files: the one that grows, and full ones from before. */
  files: number;
  /** The file for Kubernetes that it is logged to as well, in the pod's directory of these. */
  kubernetes: NamedPath | null;
}

/** How an app is logged whose operator says nothing. */
export const DEFAULT_LOG: LogPlan = {
  to: ["file"],
  format: "raw",
  size: 16 * 1024 * 1024,
  files: 2,
  kubernetes: null,
};

/** The fewest bytes of a file: a line fits that is as long as lines get. */
const SMALLEST_SIZE = 64 * 1024;

/** The most files: as many are renamed when one is full. */
const MOST_FILES = 100;

/** The annotations that decide how an app is logged. */
export const LOG_ANNOTATIONS: readonly AnnotationName[] = [
  "stage1-volo/log-files",
  "stage1-volo/log-format",
  "stage1-volo/log-size",
  "stage1-volo/log-to",
];

/**
 * Decides how an app is logged.
 *
 * @param kubernetes Its file for Kubernetes, if it has one.
 * @throws {Error} when an annotation has a value that it cannot have; the message names it.
 */
export function planLog(app: PodApp, kubernetes: NamedPath | null): LogPlan {
  const format = readWord(app, "stage1-volo/log-format", FORMATS);
  return {
    to: readWord(app, "stage1-volo/log-to", TARGETS) ?? DEFAULT_LOG.to,
    format: format ?? DEFAULT_LOG.format,
    size: readSize(app) ?? DEFAULT_LOG.size,
    files: readFiles(app) ?? DEFAULT_LOG.files,
    kubernetes,
  };
}

function readWord<T>(
  app: PodApp,
  name: AnnotationName,
  meanings: Readonly<Record<string, T>>,
): T | undefined {
  const annotation = annotationOfApp(app, name);
  if (annotation === undefined) return undefined;
  const { value } = annotation;
  if (Object.hasOwn(meanings, value)) return meanings[value];
  throw wrongAnnotation(annotation, `is not one of ${Object.keys(meanings).join(", ")}`);
}

function readSize(app: PodApp): number | undefined {
  const annotation = annotationOfApp(app, "stage1-volo/log-size");
  if (annotation === undefined) return undefined;
  const size = quantityIn(annotation);
  if (size < SMALLEST_SIZE) throw wrongAnnotation(annotation, "is less than 64Ki");
  return size;
}

function quantityIn(annotation: FoundAnnotation): number {
  try {
    return parseQuantity(annotation.value, 1);
  } catch {
    throw wrongAnnotation(annotation, NOT_A_QUANTITY[1]);
  }
}

function readFiles(app: PodApp): number | undefined {
  const annotation = annotationOfApp(app, "stage1-volo/log-files");
  if (annotation === undefined) return undefined;
  const files = /^\d{1,3}$/.test(annotation.value) ? Number(annotation.value) : 0;
  if (files < 1 || files > MOST_FILES) {
    throw wrongAnnotation(annotation, `is not a number from 1 to ${MOST_FILES}`);
  }
  return files;
}
