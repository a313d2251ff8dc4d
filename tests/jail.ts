/**
 * Commands of apps whose processes call chroot(2), as many servers do: their root directory is then
 * no longer the app's.
 *
 * @module
 */

/** Shell commands that make a root directory for {@linkcode inJail}. */
export const MAKE_JAIL = "mkdir -p /jail/bin && cp /bin/busybox /jail/bin && echo jail >/jail/name";

/** Returns a shell command that executes another one with that directory as its root. */
export function inJail(command: string): string {
  return `chroot /jail /bin/busybox ${command}`;
}
