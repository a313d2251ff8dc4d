/**
 * The fields that stage0 reads and writes in manifests.
 *
 * @module
 */

/** The `app` section of an image manifest. */
export interface App {
  /** Program and arguments. */
  exec?: string[];
  /** Number, name, or a path whose owner is the user. */
  user: string;
  /** Number, name, or a path whose group is the group. */
  group: string;
  /** Further groups, by number. */
  supplementaryGIDs?: number[];
  /** Where the program starts. */
  workingDirectory?: string;
  /** Variables, in order. */
  environment?: NameValue[];
  /** Mount points for volumes. */
  mountPoints?: { name: string; path: string; readOnly?: boolean }[];
  /** Ports, with a protocol and a number each. */
  ports?: Record<string, unknown>[];
  /** Programs that run before the app starts or after it has ended. */
  eventHandlers?: { name: string; exec: string[] }[];
  /** Limits and privileges. */
  isolators?: { name: string; value: unknown }[];
}

/** A label, an annotation or a variable. */
export interface NameValue {
  /** Its name. */
  name: string;
  /** Its value. */
  value: string;
}

/** An image manifest. */
export interface ImageManifest {
  /** The image's name. */
  name: string;
  /** Labels, such as the architecture and the operating system. */
  labels?: NameValue[];
  /** Annotations, such as a stage1's entrypoints. */
  annotations?: NameValue[];
  /** The app that runs by default. */
  app?: App;
}

/** A volume of a pod. */
export interface Volume {
  /** The name by which mounts refer to it. */
  name: string;
  /** `host` for a path of the host, `empty` for a new directory. */
  kind: "host" | "empty";
  /** The host's path. */
  source?: string;
  /** Whether apps may only read it. */
  readOnly?: boolean;
  /** Whether mounts below the source are mounted too. */
  recursive?: boolean;
  /** Mode of an empty volume. */
  mode?: string;
  /** Owner of an empty volume. */
  uid?: number;
  /** Group of an empty volume. */
  gid?: number;
}

/** The place of a volume in an app. */
export interface VolumeMount {
  /** The volume's name. */
  volume: string;
  /** The path inside the app. */
  path: string;
  /** The volume itself, where the pod has none of that name: `--mnt-volume`. */
  appVolume?: Volume;
}

/** What each standard stream of an app is, as `--stdin`, `--stdout` and `--stderr` name it. */
export type StreamModes = Partial<Record<"stdin" | "stdout" | "stderr", string>>;

/** A port of the host that leads into a pod. */
export interface ExposedPort {
  /** The name of the app's port, or any name, where `podPort` is given. */
  name: string;
  /** The host's port. */
  hostPort: number;
  /** The host's address. */
  hostIP?: string;
  /** The pod's port, in a pod whose apps come later. */
  podPort?: { name: string; protocol: string; port: number; count: number; socketActivated: false };
}

/** One app of a pod, as the user asked for it. */
export interface AppOptions {
  /** An ACI file, or a directory with `manifest` and `rootfs`. */
  image: string;
  /** Its name in the pod; by default, the last part of the image's name. */
  name?: string;
  /** Fields that replace those of the image's `app`. */
  app?: Partial<App>;
  /** Mounts of volumes. */
  mounts?: VolumeMount[];
  /** Whether its root file system is read-only. */
  readOnlyRootFS?: boolean;
  /** Annotations: `--annotation`. */
  annotations?: NameValue[];
  /** What its streams are. */
  streams?: StreamModes;
}

/** Returns the name that an app gets from its image: the part after the last slash. */
export function appNameOf(image: ImageManifest): string {
  return image.name.split("/").at(-1)!;
}

/** One entry of `apps` in a pod manifest. */
export interface RuntimeApp extends Omit<AppOptions, "image" | "streams"> {
  /** The app's name. */
  name: string;
  /** The image that it has. */
  image: { name: string; id: string; labels?: NameValue[] };
}

/** A pod manifest. */
export interface PodManifest {
  /** The schema's version; rkt writes its own. */
  acVersion: string;
  /** The kind of manifest. */
  acKind: "PodManifest";
  /** The apps. */
  apps: RuntimeApp[];
  /** The volumes. */
  volumes: Volume[] | null;
  /** Limits of the pod as a whole. */
  isolators: null;
  /** Annotations, such as those for a stage1. */
  annotations: NameValue[];
  /** Ports of the host. */
  ports: ExposedPort[];
}

/** What the user asks of a pod as a whole. */
export interface PodWishes {
  /** Its volumes. */
  volumes?: Volume[];
  /** Annotations. */
  annotations?: NameValue[];
  /** Ports of the host that lead into it. */
  ports?: ExposedPort[];
  /** Whether its apps come and go while it runs. */
  mutable?: boolean;
}

/** Composes the entry of one app. */
export function composeApp(options: AppOptions, image: ImageManifest, id: string): RuntimeApp {
  const app = { ...image.app, ...options.app };
  const annotations = [...options.annotations ?? [], ...streamAnnotations(options.streams ?? {})];
  return {
    name: options.name ?? appNameOf(image),
    image: { name: image.name, id, ...(image.labels ? { labels: image.labels } : {}) },
    ...(Object.keys(app).length === 0 ? {} : { app: { environment: [], ...app } }),
    ...(options.readOnlyRootFS ? { readOnlyRootFS: true } : {}),
    ...(options.mounts ? { mounts: options.mounts } : {}),
    ...(annotations.length > 0 ? { annotations } : {}),
  };
}

function streamAnnotations(modes: StreamModes): NameValue[] {
  return Object.entries(modes).map(([stream, value]) => ({
    name: `coreos.com/rkt/stage2/${stream}`,
    value,
  }));
}

/** The annotation by which a pod's apps come and go while it runs. */
export const MUTABLE = "coreos.com/rkt/stage1/mutable";

/**
 * Composes a pod manifest with rkt's peculiarities: rkt's own version replaces the schema's, and an
 * empty list is `null`.
 */
export function composePod(apps: RuntimeApp[], wishes: PodWishes = {}): PodManifest {
  const { volumes = [], annotations = [], ports = [], mutable = false } = wishes;
  return {
    acVersion: "1.30.0+git",
    acKind: "PodManifest",
    apps,
    volumes: volumes.length === 0 ? null : volumes,
    isolators: null,
    annotations: [{ name: MUTABLE, value: `${mutable}` }, ...annotations],
    ports,
  };
}

/** Returns the value of an annotation, or undefined. */
export function annotation(manifest: ImageManifest, name: string): string | undefined {
  return manifest.annotations?.find((entry) => entry.name === name)?.value;
}
