/**
 * The schemas of texts about an image, a pod or an app: labels, annotations, and what users add.
 * appc spec 0.8.11, `spec/aci.md`.
 *
 * @module
 */

import * as z from "zod/mini";
import { isDate, isURL } from "./formats.ts";
import { uniqueBy } from "./lists.ts";
import { ACIdentifier } from "./names.ts";
import { type Checked, schema } from "./schema.ts";

/** The processors that an image for each operating system may name, in appc's spelling. */
const ARCHITECTURES = new Map([
  [
    "linux",
    [
      "amd64",
      "i386",
      "aarch64",
      "aarch64_be",
      "armv6l",
      "armv7l",
      "armv7b",
      "ppc64",
      "ppc64le",
      "s390x",
    ],
  ],
  ["freebsd", ["amd64", "i386", "arm"]],
  ["darwin", ["x86_64", "i386"]],
]);

/** Rules for the values of the annotations that the spec gives a meaning. */
const ANNOTATION_RULES = new Map([
  ["created", { rule: isDate, message: "must be a date as RFC 3339 writes it" }],
  ["homepage", { rule: isURL, message: "must be an HTTP or HTTPS URL" }],
  ["documentation", { rule: isURL, message: "must be an HTTP or HTTPS URL" }],
]);

/** A label or an annotation. */
const NamedText = schema(() =>
  z.object({ name: ACIdentifier(), value: z._default(z.string(), "") })
);
type NamedText = Checked<typeof NamedText>;

/**
 * The labels of an image. The operating system must be known, and the processor must be one of its
 * processors.
 */
export const Labels = schema(() => uniqueBy(NamedText, "name", "label", areKnown()));

function areKnown() {
  return z.superRefine<NamedText[]>((labels, context) => {
    const refuse = (i: number, key: "name" | "value", message: string) =>
      context.addIssue({ code: "custom", path: [i, key], message });
    const os = labels.find(({ name }) => name === "os")?.value;
    labels.forEach(({ name, value }, i) => {
      if (name === "name") refuse(i, "name", "an image's name is no label");
      if (name === "os" && !ARCHITECTURES.has(value)) refuse(i, "value", unknownValue("os", value));
      if (name !== "arch" || os === undefined) return;
      const known = ARCHITECTURES.get(os);
      if (known && !known.includes(value)) refuse(i, "value", unknownValue(`arch of ${os}`, value));
    });
  });
}

/** The annotations of an image, a pod or an app. */
export const Annotations = schema(() => uniqueBy(NamedText, "name", "annotation", keepRules()));

function keepRules() {
  return z.superRefine<NamedText[]>((annotations, context) => {
    annotations.forEach(({ name, value }, i) => {
      const known = ANNOTATION_RULES.get(name);
      if (known && !known.rule(value)) {
        context.addIssue({ code: "custom", path: [i, "value"], message: known.message });
      }
    });
  });
}

/**
 * Texts by name. The check is of a kind that is used anyway: zod's record would be one more kind,
 * which costs each start something.
 */
export const NamedTexts = schema(() => z.custom<Record<string, string>>().check(areTexts()));

function areTexts() {
  return z.superRefine<Record<string, string>>((texts, context) => {
    if (typeof texts !== "object" || texts === null || Array.isArray(texts)) {
      return context.addIssue({ code: "custom", message: "expected object" });
    }
    for (const [name, text] of Object.entries(texts)) {
      if (typeof text !== "string") {
        context.addIssue({ code: "custom", path: [name], message: "expected string" });
      }
    }
  });
}

/** Texts by names that the user chooses. */
export const UserTexts = schema(() => z.optional(NamedTexts()));

function unknownValue(what: string, value: string): string {
  return `${JSON.stringify(value)} is no ${what} that appc knows`;
}
