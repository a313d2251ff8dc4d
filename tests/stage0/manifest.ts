/**
 * The manifests that stage0 reads and writes, as far as it has to understand them.
 *
 * @module
 */

/** The `app` section of an image manifest. */
export interface App {
  /** Program and arguments. */
  exec?: string[];
  /** Number, name, or a path whose owner is meant. */
  user: string;
  /** Number, name, or a path whose group is meant. */
  group: string;
  /** Further groups, by number. */
  supplementaryGIDs?: number[];
  /** Where the program starts. */
  workingDirectory?: string;
  /** Variables, in order. */
  environment?: NameValue[];
  /** Where the image expects volumes. */
  mountPoints?: { name: string; path: string; readOnly?: boolean }[];
  /** Programs that run at moments of its life. */
  eventHandlers?: { name: string; exec: string[] }[];
  /** Limits and privileges. */
  isolators?: { name: string; value: unknown }[];
}

/** A pair as used by labels, annotations and variables. */
export interface NameValue {
  /** What is set. */
  name: string;
  /** What it is set to. */
  value: string;
}

/** An image manifest. */
export interface ImageManifest {
  /** The image's name. */
  name: string;
  /** Among others its architecture and operating system. */
  labels?: NameValue[];
  /** Among others a stage1's entrypoints. */
  annotations?: NameValue[];
  /** What runs by default. */
  app?: App;
}

/** A volume of a pod. */
export interface Volume {
  /** What mounts refer to. */
  name: string;
  /** A path of the host's, or a new directory. */
  kind: "host" | "empty";
  /** The host's path. */
  source?: string;
  /** Whether the app may write. */
  readOnly?: boolean;
  /** Whether mounts below the source come along. */
  recursive?: boolean;
  /** Mode of an empty volume. */
  mode?: string;
  /** Owner of an empty volume. */
  uid?: number;
  /** Group of an empty volume. */
  gid?: number;
}

/** Where a volume appears in an app. */
export interface VolumeMount {
  /** The volume's name. */
  volume: string;
  /** The path inside the app. */
  path: string;
}

/** One app of a pod, as the user asked for it. */
export interface AppOptions {
  /** An ACI file, or a directory with `manifest` and `rootfs`. */
  image: string;
  /** Its name in the pod; without one, the last part of the image's name. */
  name?: string;
  /** Fields that replace those of the image's `app`. */
  app?: Partial<App>;
  /** Where volumes are mounted. */
  mounts?: VolumeMount[];
  /** Whether its root file system is read-only. */
  readOnlyRootFS?: boolean;
}

/** The name that an app gets from its image: what follows the last slash. */
export function appNameOf(image: ImageManifest): string {
  return image.name.split("/").at(-1)!;
}

/** One entry of `apps` in a pod manifest. */
export interface RuntimeApp extends Omit<AppOptions, "image"> {
  /** The app's name. */
  name: string;
  /** Which image it is of. */
  image: { name: string; id: string; labels?: NameValue[] };
}

/** A pod manifest. */
export interface PodManifest {
  /** The schema's version, or what rkt takes for it. */
  acVersion: string;
  /** What it is. */
  acKind: "PodManifest";
  /** The apps. */
  apps: RuntimeApp[];
  /** The volumes. */
  volumes: Volume[] | null;
  /** Limits of the pod as a whole. */
  isolators: null;
  /** Notes, among others to stage1. */
  annotations: NameValue[];
  /** Ports of the host. */
  ports: [];
}

/** Composes the entry of one app. */
export function composeApp(options: AppOptions, image: ImageManifest, id: string): RuntimeApp {
  const app = { ...image.app, ...options.app };
  return {
    name: options.name ?? appNameOf(image),
    image: { name: image.name, id, ...(image.labels ? { labels: image.labels } : {}) },
    ...(Object.keys(app).length === 0 ? {} : { app: { environment: [], ...app } }),
    ...(options.readOnlyRootFS ? { readOnlyRootFS: true } : {}),
    ...(options.mounts ? { mounts: options.mounts } : {}),
  };
}

/**
 * A pod manifest with rkt's peculiarities: its own version stands where the schema's belongs, and
 * an empty list is `null`.
 */
export function composePod(apps: RuntimeApp[], volumes: Volume[] = []): PodManifest {
  return {
    acVersion: "1.30.0+git",
    acKind: "PodManifest",
    apps,
    volumes: volumes.length === 0 ? null : volumes,
    isolators: null,
    annotations: [{ name: "coreos.com/rkt/stage1/mutable", value: "false" }],
    ports: [],
  };
}

/** The value of an annotation, or undefined. */
export function annotation(manifest: ImageManifest, name: string): string | undefined {
  return manifest.annotations?.find((entry) => entry.name === name)?.value;
}
