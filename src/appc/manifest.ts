/**
 * The appc manifests: appc spec 0.8.11, `spec/aci.md` and `spec/pods.md`.
 *
 * Shapes are declared once, as schemas; the types are inferred from them.
 *
 * @module
 */

import * as z from "zod/mini";
import {
  AbsolutePath,
  ACIdentifier,
  ACName,
  Argument,
  Id,
  InAppPath,
  textThat,
  WorkingDirectory,
} from "./names.ts";

/** A list that may be left out. */
function listOf<S extends z.ZodMiniType>(element: S) {
  return z._default(z.array(element), []);
}

/** A list whose elements must differ in one field, as the spec asks of names. */
function uniqueBy<S extends z.ZodMiniType, K extends keyof z.infer<S> & string>(
  element: S,
  key: K,
  what: string,
) {
  return listOf(element).check(z.superRefine((list, context) => {
    const seen = new Set<unknown>();
    (list as z.infer<S>[]).forEach((item, i) => {
      const value = item[key];
      if (seen.has(value)) {
        context.addIssue({
          code: "custom",
          path: [i, key],
          message: `duplicate ${what} ${JSON.stringify(value)}`,
        });
      }
      seen.add(value);
    });
  }));
}

/** One variable of an app's environment. */
export const EnvironmentVariable = z.object({
  name: textThat(
    (name) => /^[A-Za-z_][A-Za-z_0-9.-]*$/.test(name),
    "is not a name that a variable can have",
  ),
  value: Argument,
});

/** A place in an app's file system that wants a volume. */
export const MountPoint = z.object({
  name: ACName,
  path: InAppPath,
  readOnly: z.optional(z.boolean()),
});

/** A limit or privilege; each kind has a value of its own. */
export const Isolator = z.object({ name: ACIdentifier, value: z.unknown() });

/** A program that runs at a moment of an app's life. */
export const EventHandler = z.object({
  name: z.literal(["pre-start", "post-stop"]),
  exec: listOf(Argument),
});

const NotEmpty = textThat((text) => text !== "", "must not be empty");

/** How an app is started. */
export const App = z.object({
  exec: listOf(Argument),
  user: NotEmpty,
  group: NotEmpty,
  supplementaryGIDs: listOf(Id),
  workingDirectory: z.optional(WorkingDirectory),
  environment: uniqueBy(EnvironmentVariable, "name", "variable"),
  mountPoints: listOf(MountPoint),
  eventHandlers: uniqueBy(EventHandler, "name", "event handler"),
  isolators: listOf(Isolator),
});

const emptyVolume = z.object({
  name: ACName,
  kind: z.literal("empty"),
  readOnly: z.optional(z.boolean()),
  mode: z.optional(textThat((mode) => /^[0-7]{1,5}$/.test(mode), "is not an octal file mode")),
  uid: z.optional(Id),
  gid: z.optional(Id),
});

const hostVolume = z.object({
  name: ACName,
  kind: z.literal("host"),
  source: AbsolutePath,
  readOnly: z.optional(z.boolean()),
  recursive: z.optional(z.boolean()),
});

/** Storage that apps of a pod mount: a path of the host, or an empty directory that lives with the pod. */
export const Volume = z.discriminatedUnion("kind", [emptyVolume, hostVolume]);

/** Which volume goes where in an app. */
export const AppMount = z.object({
  volume: ACName,
  path: InAppPath,
  appVolume: z.optional(Volume),
});

/** A name and a value, for people and programs to read. */
export const Annotation = z.object({ name: ACIdentifier, value: z.string() });

/** One app of a pod. */
export const RuntimeApp = z.object({
  name: ACName,
  app: z.optional(App),
  readOnlyRootFS: z.optional(z.boolean()),
  mounts: listOf(AppMount),
});

/** The pod that stage0 composed. */
export const PodManifest = z.object({
  acKind: z.literal("PodManifest"),
  apps: uniqueBy(RuntimeApp, "name", "app"),
  volumes: uniqueBy(Volume, "name", "volume name"),
  isolators: listOf(Isolator),
});

/** An image, of an app or of stage1 itself. */
export const ImageManifest = z.object({
  acKind: z.literal("ImageManifest"),
  name: ACIdentifier,
  app: z.optional(App),
  annotations: uniqueBy(Annotation, "name", "annotation"),
});

export type App = z.infer<typeof App>;
export type AppMount = z.infer<typeof AppMount>;
export type EnvironmentVariable = z.infer<typeof EnvironmentVariable>;
export type ImageManifest = z.infer<typeof ImageManifest>;
export type MountPoint = z.infer<typeof MountPoint>;
export type PodManifest = z.infer<typeof PodManifest>;
export type RuntimeApp = z.infer<typeof RuntimeApp>;
export type Volume = z.infer<typeof Volume>;
