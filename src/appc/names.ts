/**
 * The schemas of the names and numbers in appc manifests: appc spec 0.8.11, `spec/types.md`.
 *
 * @module
 */

import * as z from "zod/mini";
import { isACName, NOT_AC_NAME } from "./ac_name.ts";
import { listOf } from "./lists.ts";
import { schema } from "./schema.ts";

/**
 * Makes the schema of a text with a rule of its own.
 *
 * Each kind of check that zod has costs every start something when it is first used, so all rules
 * are of one kind. They are part of the schema from its beginning, because zod's `check` would make
 * a second schema.
 *
 * @param rule What must hold for the text.
 * @param message The error when it does not.
 */
export function textThat(rule: (text: string) => boolean, message: string) {
  return schema(() => new z.ZodMiniString({ type: "string", checks: [z.refine(rule, message)] }));
}

/**
 * Makes the schema of a whole number within bounds, which it may equal.
 *
 * @param what What it must be, for the error, when the bounds alone do not say it well.
 */
export function wholeNumber(least: number, most: number, what = `from ${least} to ${most}`) {
  const rule = z.refine<number>(
    (number) => Number.isInteger(number) && number >= least && number <= most,
    `must be a whole number ${what}`,
  );
  return schema(() => new z.ZodMiniNumber({ type: "number", checks: [rule] }));
}

/** An AC Name. */
export const ACName = textThat(isACName, NOT_AC_NAME);

/** An AC Identifier: like an AC Name, joined by any of `-._~/`. */
export const ACIdentifier = textThat(
  (text) => /^[a-z0-9]([a-z0-9._~/-]*[a-z0-9])?$/.test(text),
  "must be lower-case letters and digits joined by -._~/",
);

/** A choice that a manifest may leave open. */
export const Flag = schema(() => z.optional(z.boolean()));

/** A text that is not empty. */
export const NotEmpty = textThat((text) => text !== "", "must not be empty");

/** A text that is passed to the kernel, and so has no NUL. */
export const ArgumentText = textThat(hasNoNul, "has a NUL character");

/** A program and its arguments. */
export const Command = schema(() => listOf(ArgumentText));

/** An absolute path of the host. */
export const AbsolutePath = textThat(isAbsolute, "must be an absolute path without NUL");

/** A directory of the app: an absolute path, or empty for the root. */
export const WorkingDirectory = textThat(
  (path) => path === "" || isAbsolute(path),
  "must be an absolute path without NUL",
);

/**
 * A path in an app's root. It starts from that root, whether or not it begins with a slash: the
 * spec does not require the slash, and rkt passes on what its user wrote.
 */
export const InAppPath = textThat(
  (path) => path !== "" && hasNoNul(path),
  "must be a path without NUL",
);

/** A user or group id. The largest number means "no change" to the kernel, and is nobody's id. */
export const Id = wholeNumber(0, 0xffff_fffe);

function isAbsolute(path: string): boolean {
  return path.startsWith("/") && hasNoNul(path);
}

function hasNoNul(text: string): boolean {
  return !text.includes("\0");
}
