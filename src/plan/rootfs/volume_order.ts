/**
 * The order in which an app's volumes are mounted, and which of them cannot be together. Pure.
 *
 * Links of the image, or of a volume, may lead from one target to another. So the order comes from
 * where targets really lead: a volume is mounted before those whose ways lead through it. A mount
 * may change the ways of those that are still to come, which are then looked up again. In the end
 * each path leads to its own volume, or there is an error: no volume hides another.
 *
 * @module
 */

/** The way that a path takes in an app's root, as the kernel walks it. */
export interface Way {
  /** Where it ends: an absolute path without links. */
  place: string;
  /** The directories, also without links, in which it looks up a name, and the place. */
  passes: ReadonlySet<string>;
}

/** A volume that is mounted or to be mounted. */
export interface Routed {
  /** The path in the app's root that the manifest gives. */
  target: string;
  /** The field that asks for it. */
  field: string;
  way: Way;
}

/**
 * Chooses which volume is mounted next: one whose way leads through no other's place. Those that
 * others' ways lead through come first, so that these ways are settled early.
 *
 * @param pending At least one volume, in the order that counts if nothing else does.
 * @throws {Error} when each of them leads through another.
 */
export function chooseNext<T extends Routed>(pending: readonly T[]): T {
  const places = new Set(pending.map(({ way }) => way.place));
  const passed = new Set(pending.flatMap(({ way }) => directoriesOf(way)));
  const free = pending.filter(({ way }) => !directoriesOf(way).some((path) => places.has(path)));
  const next = free.find(({ way }) => passed.has(way.place)) ?? free[0];
  if (next !== undefined) return next;
  const names = pending.map(({ field, target }) => `${target} (${field})`).join(", ");
  throw new Error(`the targets of volumes lead through each other: ${names}`);
}

/**
 * Refuses to mount a volume on the way of another that is mounted already.
 *
 * @throws {Error} which names both.
 */
export function refuseHiding(next: Routed, mounted: readonly Routed[]): void {
  const { target, field, way: { place } } = next;
  const hidden = mounted.find(({ way }) => directoriesOf(way).includes(place));
  if (hidden === undefined) return;
  throw new Error(
    `${field}: ${target} leads to ${place}, and would hide ${hidden.target} of ${hidden.field}`,
  );
}

/** Two volumes at one place are not on each other's way. */
function directoriesOf({ place, passes }: Way): string[] {
  return [...passes].filter((path) => path !== place);
}
