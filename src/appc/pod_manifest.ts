/**
 * The schema of the pod manifest: appc spec 0.8.11, `spec/pods.md`.
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
import { type Checked, schema } from "./schema.ts";

const FileMode = textThat((mode) => /^[0-7]{1,5}$/.test(mode), "is not an octal file mode");
const ofEmptyVolume = schema(() => z.optional(z.literal([undefined], "is for empty volumes")));

const emptyVolume = schema(() =>
  z.object({
    name: ACName(),
    kind: z.literal("empty"),
    source: z.optional(z.literal("", "is for host volumes")),
    readOnly: Flag(),
    recursive: Flag(),
    mode: z.optional(FileMode()),
    uid: z.optional(Id()),
    gid: z.optional(Id()),
  })
);

const hostVolume = schema(() =>
  z.object({
    name: ACName(),
    kind: z.literal("host"),
    source: AbsolutePath(),
    readOnly: Flag(),
    recursive: Flag(),
    mode: ofEmptyVolume(),
    uid: ofEmptyVolume(),
    gid: ofEmptyVolume(),
  })
);

/**
 * Storage that apps of a pod mount: a path of the host, or an empty directory that exists as long
 * as the pod.
 */
export const Volume = schema(() => z.discriminatedUnion("kind", [emptyVolume(), hostVolume()]));

/** A mount of a volume at a path of an app. */
export const AppMount = schema(() =>
  z.object({
    volume: ACName(),
    path: InAppPath(),
    appVolume: z.optional(Volume()),
  })
);

/** The image of an app of a pod. */
const RuntimeImage = schema(() =>
  z.object({
    name: z.optional(ACIdentifier()),
    id: z.optional(Hash()),
    labels: Labels(),
  })
);

/** One app of a pod. */
export const RuntimeApp = schema(() =>
  z.object({
    name: ACName(),
    image: z.optional(RuntimeImage()),
    app: z.optional(App()),
    readOnlyRootFS: Flag(),
    mounts: listOf(AppMount),
    annotations: Annotations(),
  })
);

/** Zero where the manifest leaves the choice open. */
const HostPort = wholeNumber(0, 65535);

/** A port of the host that is forwarded to one of the pod. */
export const ExposedPort = schema(() =>
  z.object({
    name: ACName(),
    hostPort: z._default(HostPort(), 0),
    hostIP: z.optional(HostIP()),
    /** Without it, the port of this name that an app of the pod has. */
    podPort: z.optional(Port()),
  })
);

/** The pod that stage0 composed. */
export const PodManifest = schema(() =>
  z.object({
    acKind: z.literal("PodManifest"),
    acVersion: z.optional(SemVer()),
    apps: uniqueBy(RuntimeApp, "name", "app"),
    volumes: uniqueBy(Volume, "name", "volume name"),
    isolators: IsolatorList(),
    annotations: Annotations(),
    ports: listOf(ExposedPort),
    userAnnotations: UserTexts(),
    userLabels: UserTexts(),
  })
);

export type AppMount = Checked<typeof AppMount>;
export type ExposedPort = Checked<typeof ExposedPort>;
export type PodManifest = Checked<typeof PodManifest>;
export type RuntimeApp = Checked<typeof RuntimeApp>;
export type Volume = Checked<typeof Volume>;
