/**
 * The pod manifest: appc spec 0.8.11, `spec/pods.md`.
 *
 * @module
 */

import * as z from "zod/mini";
import { App, IsolatorList, Port } from "./app.ts";
import { Hash, HostIP, SemVer } from "./formats.ts";
import { Annotations, Labels, UserTexts } from "./labels.ts";
import { listOf, uniqueBy } from "./lists.ts";
import {
  AbsolutePath,
  ACIdentifier,
  ACName,
  Flag,
  Id,
  InAppPath,
  textThat,
  wholeNumber,
} from "./names.ts";

const ofEmptyVolume = z.optional(z.literal([undefined], "is for empty volumes"));

const emptyVolume = z.object({
  name: ACName,
  kind: z.literal("empty"),
  source: z.optional(z.literal("", "is for host volumes")),
  readOnly: Flag,
  recursive: Flag,
  mode: z.optional(textThat((mode) => /^[0-7]{1,5}$/.test(mode), "is not an octal file mode")),
  uid: z.optional(Id),
  gid: z.optional(Id),
});

const hostVolume = z.object({
  name: ACName,
  kind: z.literal("host"),
  source: AbsolutePath,
  readOnly: Flag,
  recursive: Flag,
  mode: ofEmptyVolume,
  uid: ofEmptyVolume,
  gid: ofEmptyVolume,
});

/** Storage that apps of a pod mount: a path of the host, or an empty directory that lives with the pod. */
export const Volume = z.discriminatedUnion("kind", [emptyVolume, hostVolume]);

/** Which volume goes where in an app. */
export const AppMount = z.object({
  volume: ACName,
  path: InAppPath,
  appVolume: z.optional(Volume),
});

/** The image that an app of a pod is from. */
export const RuntimeImage = z.object({
  name: z.optional(ACIdentifier),
  id: z.optional(Hash),
  labels: Labels,
});

/** One app of a pod. */
export const RuntimeApp = z.object({
  name: ACName,
  image: z.optional(RuntimeImage),
  app: z.optional(App),
  readOnlyRootFS: Flag,
  mounts: listOf(AppMount),
  annotations: Annotations,
});

/** A port of the host that leads to one of the pod. */
export const ExposedPort = z.object({
  name: ACName,
  hostPort: z._default(wholeNumber(0, 65535), 0),
  hostIP: z.optional(HostIP),
  /** When it is left out: the port of this name that an app of the pod has. */
  podPort: z.optional(Port),
});

/** The pod that stage0 composed. */
export const PodManifest = z.object({
  acKind: z.literal("PodManifest"),
  acVersion: z.optional(SemVer),
  apps: uniqueBy(RuntimeApp, "name", "app"),
  volumes: uniqueBy(Volume, "name", "volume name"),
  isolators: IsolatorList,
  annotations: Annotations,
  ports: listOf(ExposedPort),
  userAnnotations: UserTexts,
  userLabels: UserTexts,
});

export type AppMount = z.infer<typeof AppMount>;
export type ExposedPort = z.infer<typeof ExposedPort>;
export type PodManifest = z.infer<typeof PodManifest>;
export type RuntimeApp = z.infer<typeof RuntimeApp>;
export type Volume = z.infer<typeof Volume>;
