/**
 * Matching the pod's volumes and mounts with the mount points that an app and its image declare.
 * Pure.
 *
 * @module
 */

import type { ImageManifest, MountPoint, Volume } from "../../appc/manifest.ts";
import { namesOf } from "../../linux/path_names.ts";
import type { Flavor } from "../../stage1/flavor.ts";
import type { Pod, PodApp } from "../../stage1/pod.ts";

/**
 * How mount points are matched:
 *
 * - `strict`, as in rkt's fly: the image's mount points count besides the app's, and each needs a
 *   volume;
 * - `lenient`, as in rkt's default stage1: only the app's count, one without a volume gets its own,
 *   and a volume with a mount elsewhere is at the mount point of its name as well.
 */
export type MountRules = "strict" | "lenient";

/** Returns the rules of an image's flavor. */
export function mountRulesOf(flavor: Flavor): MountRules {
  return flavor === "isolated" ? "lenient" : "strict";
}

/** A volume at a path of an app. */
export interface VolumeMount {
  /** `own` stands for what is already at the target. */
  volume: Volume | { kind: "own" };
  /** The path in the app's root. */
  target: string;
  readOnly: boolean;
  /** Whether it is there only because nothing else is for the mount point. */
  isDefault: boolean;
  /** The field that asks for it, for errors. */
  field: string;
}

/** Checks whether docker2aci made an image from one of docker's. */
export function isFromDocker({ annotations }: ImageManifest): boolean {
  return annotations.some(({ name }) => name === "appc.io/docker/repository");
}

/** A mount point, and its place in the manifest. */
interface DeclaredPoint extends MountPoint {
  field: string;
}

/**
 * Matches volumes with mounts and mount points.
 *
 * A mount of the pod manifest names a volume and a path. A mount point gets the mount at its path,
 * or else the volume of its name.
 *
 * @returns The volumes to mount, outer targets before those inside them, as far as that can be told
 * without a look into the app's root.
 * @throws {Error} when a volume does not exist, a mount point gets nothing, or two mounts
 * contradict each other; the message names the field.
 */
export function matchVolumes(
  pod: Pod,
  app: PodApp,
  rules: MountRules,
): VolumeMount[] {
  const volumes = new Map(pod.manifest.volumes.map((volume) => [volume.name, volume]));
  const points = declaredPoints(app, rules);
  const mounts = explicitMounts(app, volumes, points, rules);
  refuseSharedTargets(mounts);
  for (const point of points) {
    if (mounts.every(({ target }) => !samePath(target, point.path))) {
      mounts.push(mountOfPoint(point, volumes) ?? mountOfUnmet(point, app, rules));
    }
  }
  return mounts.toSorted((a, b) => depth(a.target) - depth(b.target));
}

/**
 * The app's mount points and its image's, each path once. The two lists are the same unless the pod
 * manifest overrides the app.
 */
function declaredPoints(app: PodApp, rules: MountRules): DeclaredPoint[] {
  const ofApp = app.app.mountPoints.map((point, i) => ({
    ...point,
    field: `${app.field}.app.mountPoints[${i}]`,
  }));
  const ofImage = (app.image.app?.mountPoints ?? []).map((point, i) => ({
    ...point,
    field: `appsinfo/${app.name}/manifest: app.mountPoints[${i}]`,
  }));
  const points: DeclaredPoint[] = [];
  for (const point of rules === "lenient" ? ofApp : [...ofApp, ...ofImage]) {
    const known = points.find(({ name }) => name === point.name);
    if (known !== undefined && samePath(known.path, point.path)) continue;
    if (known !== undefined && rules === "strict") throw conflict(point, known.path, known.field);
    points.push(point);
  }
  return points;
}

function explicitMounts(
  app: PodApp,
  volumes: ReadonlyMap<string, Volume>,
  points: readonly DeclaredPoint[],
  rules: MountRules,
): VolumeMount[] {
  return app.runtime.mounts.map((mount, i) => {
    const field = `${app.field}.mounts[${i}]`;
    const volume = mount.appVolume ?? volumes.get(mount.volume);
    if (!volume) throw new Error(`${field}.volume: the pod has no volume "${mount.volume}"`);
    const named = points.find(({ name }) => name === mount.volume);
    if (rules === "strict" && named && !samePath(named.path, mount.path)) {
      throw conflict(named, mount.path, field);
    }
    const point = points.find(({ path }) => samePath(path, mount.path)) ?? named;
    const readOnly = isReadOnly(volume, point);
    return { volume, target: mount.path, readOnly, isDefault: false, field };
  });
}

function mountOfPoint(
  point: DeclaredPoint,
  volumes: ReadonlyMap<string, Volume>,
): VolumeMount | undefined {
  const volume = volumes.get(point.name);
  if (!volume) return undefined;
  return {
    volume,
    target: point.path,
    readOnly: isReadOnly(volume, point),
    isDefault: false,
    field: point.field,
  };
}

/** Directories where an app does not see its image's files. */
const NOT_OF_IMAGE = ["dev", "proc", "sys"];

/**
 * An image of docker's expects its own files there to be in the volume as well. They stay where
 * they are, because the app's root belongs to this pod alone anyway.
 */
function mountOfUnmet(
  point: DeclaredPoint,
  app: PodApp,
  rules: MountRules,
): VolumeMount {
  if (rules === "strict") {
    throw new Error(
      `${point.field}: missing volume: mount point "${point.name}" (${point.path}) has no volume ` +
        `of its name, and no mount at its path`,
    );
  }
  const keepsImage = isFromDocker(app.image) && !NOT_OF_IMAGE.includes(namesOf(point.path)[0]!);
  const volume = keepsImage
    ? { kind: "own" } as const
    : { kind: "empty", name: `${app.name}-${point.name}` } as const;
  const readOnly = point.readOnly ?? false;
  return { volume, target: point.path, readOnly, isDefault: true, field: point.field };
}

/** The volume's `readOnly` counts. The mount point's counts only where the volume has none. */
function isReadOnly(volume: Volume, point: MountPoint | undefined): boolean {
  return volume.readOnly ?? point?.readOnly ?? false;
}

function refuseSharedTargets(mounts: readonly VolumeMount[]): void {
  mounts.forEach(({ target, field }, i) => {
    const earlier = mounts.slice(0, i).find((other) => samePath(other.target, target));
    if (earlier) {
      throw new Error(`${field}.path: duplicate mount: ${target} is taken by ${earlier.field}`);
    }
  });
}

function conflict(point: DeclaredPoint, otherPath: string, otherField: string): Error {
  return new Error(
    `${point.field}: conflicting paths for "${point.name}": ${point.path} here, ` +
      `${otherPath} in ${otherField}`,
  );
}

/** Checks whether two paths are the same but for slashes and dots. Links are not looked at. */
export function samePath(a: string, b: string): boolean {
  return namesOf(a).join("/") === namesOf(b).join("/");
}

function depth(path: string): number {
  return namesOf(path).length;
}
