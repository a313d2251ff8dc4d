/**
 * The names and numbers that appc manifests are made of: appc spec 0.8.11, `spec/types.md`.
 *
 * @module
 */

import * as z from "zod/mini";

/** An AC Name: lower-case letters and digits in groups joined by `-`. */
export const ACName = z.string().check(
  z.regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be lower-case letters and digits joined by -"),
);

/** An AC Identifier: as an AC Name, joined by any of `-._~/`. */
export const ACIdentifier = z.string().check(
  z.regex(
    /^[a-z0-9]+([-._~/][a-z0-9]+)*$/,
    "must be lower-case letters and digits joined by -._~/",
  ),
);

/** An absolute path without NUL, which no path can have. */
export const AbsolutePath = z.string().check(
  z.startsWith("/", "must be an absolute path"),
  z.refine((path) => !path.includes("\0"), "has a NUL character"),
);

/**
 * A path in an app's root. It is meant from that root on, whether or not it begins with a slash: the spec
 * asks for no slash, and rkt passes on what its user wrote.
 */
export const InAppPath = z.string().check(
  z.minLength(1, "must not be empty"),
  z.refine((path) => !path.includes("\0"), "has a NUL character"),
);

/** A user or group id. The largest number means "no change" to the kernel and is nobody's. */
export const Id = z.int("must be a whole number").check(
  z.minimum(0, "must not be negative"),
  z.maximum(0xffff_fffe, "is too large for an id"),
);

/** Text that is passed to a program, and so has no NUL. */
export const Argument = z.string().check(
  z.refine((text) => !text.includes("\0"), "has a NUL character"),
);
