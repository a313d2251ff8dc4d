/**
 * The names and numbers that appc manifests are made of: appc spec 0.8.11, `spec/types.md`.
 *
 * @module
 */

import * as z from "zod/mini";

/**
 * Text with a rule of its own.
 *
 * Every kind of check that zod has costs each start something when it is first used, so all rules are of one.
 *
 * @param rule What must hold for the text.
 * @param message What the error says when it does not.
 */
export function textThat(rule: (text: string) => boolean, message: string) {
  return z.string().check(z.refine(rule, message));
}

/** An AC Name: lower-case letters and digits in groups joined by `-`. */
export const ACName = textThat(
  (text) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text),
  "must be lower-case letters and digits joined by -",
);

/** An AC Identifier: as an AC Name, joined by any of `-._~/`. */
export const ACIdentifier = textThat(
  (text) => /^[a-z0-9]+([-._~/][a-z0-9]+)*$/.test(text),
  "must be lower-case letters and digits joined by -._~/",
);

/** Text that is passed to the kernel, and so has no NUL. */
export const Argument = textThat(hasNoNul, "has a NUL character");

/** An absolute path of the host. */
export const AbsolutePath = textThat(isAbsolute, "must be an absolute path without NUL");

/** A directory of the app: an absolute path; nothing stands for the root. */
export const WorkingDirectory = textThat(
  (path) => path === "" || isAbsolute(path),
  "must be an absolute path without NUL",
);

/**
 * A path in an app's root. It is meant from that root on, whether or not it begins with a slash: the spec
 * asks for no slash, and rkt passes on what its user wrote.
 */
export const InAppPath = textThat(
  (path) => path !== "" && hasNoNul(path),
  "must be a path without NUL",
);

/** A user or group id. The largest number means "no change" to the kernel and is nobody's. */
export const Id = z.number().check(
  z.refine(
    (id) => Number.isInteger(id) && id >= 0 && id <= 0xffff_fffe,
    "must be a whole number from 0 to 4294967294",
  ),
);

function isAbsolute(path: string): boolean {
  return path.startsWith("/") && hasNoNul(path);
}

function hasNoNul(text: string): boolean {
  return !text.includes("\0");
}
