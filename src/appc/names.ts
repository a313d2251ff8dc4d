/**
 * The names and numbers that appc manifests are made of: appc spec 0.8.11, `spec/types.md`.
 *
 * @module
 */

import * as z from "zod/mini";
import { listOf } from "./lists.ts";
import { schema } from "./schema.ts";

/**
 * Text with a rule of its own.
 *
 * Every kind of check that zod has costs each start something when it is first used, so all rules are of one. They
 * are part of the schema from its beginning: zod's `check` makes another schema.
 *
 * @param rule What must hold for the text.
 * @param message What the error says when it does not.
 */
export function textThat(rule: (text: string) => boolean, message: string) {
  return schema(() => new z.ZodMiniString({ type: "string", checks: [z.refine(rule, message)] }));
}

/**
 * A whole number within bounds, both of which it may be.
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

/**
 * An AC Name: lower-case letters and digits joined by `-`. The spec's pattern wants a single `-` between two
 * others; its validator, which every image has passed, takes several.
 */
export const ACName = textThat(
  (text) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text),
  "must be lower-case letters and digits joined by -",
);

/** An AC Identifier: as an AC Name, joined by any of `-._~/`. */
export const ACIdentifier = textThat(
  (text) => /^[a-z0-9]([a-z0-9._~/-]*[a-z0-9])?$/.test(text),
  "must be lower-case letters and digits joined by -._~/",
);

/** A choice that may be left open. */
export const Flag = schema(() => z.optional(z.boolean()));

/** Text that says something. */
export const NotEmpty = textThat((text) => text !== "", "must not be empty");

/** Text that is passed to the kernel, and so has no NUL. */
export const ArgumentText = textThat(hasNoNul, "has a NUL character");

/** A program and its arguments. */
export const Command = schema(() => listOf(ArgumentText));

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
export const Id = wholeNumber(0, 0xffff_fffe);

function isAbsolute(path: string): boolean {
  return path.startsWith("/") && hasNoNul(path);
}

function hasNoNul(text: string): boolean {
  return !text.includes("\0");
}
