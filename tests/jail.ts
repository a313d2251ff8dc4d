/**
 * Commands of apps whose processes call chroot(2), as many servers do: their root directory is then
 * no longer the app's.
 *
 * @module
 */

/** Shell commands that make a root directory for {@linkcode inJail}. */
export const MAKE_JAIL = "mkdir -p /jail/bin && cp /bin/busybox /jail/bin && echo jail >/jail/name";

/** Shell commands that mount that directory over the app's root, for {@linkcode beyondCover}. */
export const COVER_ROOT =
  "mkdir /jail/dev && mount --rbind /dev /jail/dev && mount --rbind /jail /";

/** Returns a shell command that executes a script in the root that covers the app's. */
export function beyondCover(script: string): string {
  return `chroot /.. /bin/busybox sh -c '${script}'`;
}

/**
 * Returns a shell command that executes another one with that directory as its root, and as the
 * root of a mount namespace of its own.
 */
export function pivoted(command: string): string {
  const script = [
    "mount --make-rprivate /",
    "mount --bind /jail /jail",
    "cd /jail",
    "mkdir -p old",
    "pivot_root . old",
    `exec /bin/busybox ${command}`,
  ];
  return `unshare -m sh -c '${script.join(" && ")}'`;
}

/** Returns a shell command that executes another one with that directory as its root. */
export function inJail(command: string): string {
  return `chroot /jail /bin/busybox ${command}`;
}
