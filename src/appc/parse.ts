/**
 * Reading a manifest: from JSON text to a checked value, with errors that name the field.
 *
 * @module
 */

import * as z from "zod/mini";

/** How many wrong fields an error names. It counts the others. */
const MOST_NAMED = 3;

/**
 * Parses and checks a manifest.
 *
 * @param text The manifest as JSON.
 * @param schema Its schema.
 * @param origin The file that it comes from, with which the error begins.
 * @returns The manifest. Fields that the schema does not know are dropped: appc is extensible.
 * @throws {Error} when the text is no JSON or does not fit the schema; one line, which names the
 * wrong fields.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import * as z from "zod/mini";
 * const Pod = z.object({ apps: z.array(z.object({ name: z.string() })) });
 * assertThrows(
 *   () => parseManifest('{"apps": [{"name": 1}]}', Pod, "pod"),
 *   Error,
 *   "pod: apps[0].name: expected string, received number",
 * );
 * ```
 */
export function parseManifest<S extends z.ZodMiniType>(
  text: string,
  schema: S,
  origin: string,
): z.infer<S> {
  const result = schema.safeParse(parseJSON(text, origin), { error: explain });
  if (result.success) return result.data;
  throw new Error(`${origin}: ${describeIssues(result.error.issues)}`);
}

/**
 * Checks a value of a manifest whose form depends on what stands beside it.
 *
 * @param schema Its schema.
 * @param field Where it stands, with which the paths in errors begin.
 * @returns The value, as `parseManifest` would return it.
 * @throws {Error} when it does not fit the schema; one line, which names the wrong fields.
 */
export function checkValue<S extends z.ZodMiniType>(
  value: unknown,
  schema: S,
  field: string,
): z.infer<S> {
  const result = schema.safeParse(value, { error: explain });
  if (result.success) return result.data;
  throw new Error(describeIssues(result.error.issues, field));
}

/**
 * Writes a path into a manifest in the spec's form.
 *
 * @param start The path that it continues.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(formatPath(["apps", 0, "app", "exec"]), "apps[0].app.exec");
 * ```
 */
export function formatPath(path: readonly PropertyKey[], start = ""): string {
  return path.reduce<string>((before, key) => {
    if (typeof key === "number") return `${before}[${key}]`;
    return before === "" ? String(key) : `${before}.${String(key)}`;
  }, start);
}

function parseJSON(text: string, origin: string): unknown {
  if (!text.isWellFormed()) throw new Error(`${origin}: not JSON: it is not UTF-8`);
  const value = tryJSON(text, origin);
  const broken = HALF_PAIR.test(text) ? findHalfPair(value) : undefined;
  if (broken === undefined) return value;
  const where = [origin, oneLine(formatPath(broken))].filter((part) => part !== "").join(": ");
  throw new Error(`${where}: has half of a surrogate pair`);
}

function tryJSON(text: string, origin: string): unknown {
  try {
    // Go writes null for what is absent.
    return JSON.parse(text, (_, value) => value ?? undefined);
  } catch (error) {
    throw new Error(`${origin}: not JSON: ${oneLine((error as Error).message)}`);
  }
}

/** The beginning of JSON's escape of either half of a pair. */
const HALF_PAIR = /\\ud[89a-f]/i;

/**
 * Finds a text that is no text. JSON can escape one half of a surrogate pair alone, which in our
 * strings stands for a byte that is no UTF-8: of the kernel's names, and never of a manifest's.
 *
 * @returns Its path; `undefined` where there is none.
 */
function findHalfPair(value: unknown): PropertyKey[] | undefined {
  if (typeof value === "string") return value.isWellFormed() ? undefined : [];
  if (typeof value !== "object" || value === null) return undefined;
  const entries: [PropertyKey, unknown][] = Array.isArray(value)
    ? value.map((item, i) => [i, item])
    : Object.entries(value);
  for (const [key, inner] of entries) {
    const path = findHalfPair(key) ?? findHalfPair(inner);
    if (path !== undefined) return [key, ...path];
  }
  return undefined;
}

/** zod/mini has no messages; these are for the few ways in which a manifest can be wrong. */
function explain(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${issue.expected}, received ${typeName(issue.input)}`;
    case "invalid_value":
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "invalid_union":
      return `not one of the forms that this field has`;
    default:
      return "not valid";
  }
}

function describeIssues(issues: readonly z.core.$ZodIssue[], start = ""): string {
  const named = issues.slice(0, MOST_NAMED).map(({ path, message }) => {
    const field = formatPath(path, start);
    return field === "" ? message : `${field}: ${message}`;
  });
  const rest = issues.length - named.length;
  return oneLine(named.join("; ") + (rest > 0 ? `; and ${rest} more` : ""));
}

function typeName(value: unknown): string {
  if (value === undefined) return "nothing";
  return Array.isArray(value) ? "array" : typeof value;
}

/** An error may quote a manifest; what it quotes must not control the terminal that shows it. */
function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim();
}
