/**
 * The permissions of each entrypoint: the table beside it, its flags for `deno compile`, the check
 * of the compiled program, and a text for people.
 *
 * @module
 */

import * as z from "zod/mini";
import type { ProgramName } from "../image/entrypoints.ts";
import { parseManifest } from "../src/appc/parse.ts";
import { entryFile } from "./project.ts";

/** The kinds of permission that Deno knows. */
const KINDS = ["read", "write", "env", "ffi", "sys", "net", "run"] as const;

const Scope = z.string().check(
  // Deno takes an empty scope for "everything", and splits scopes at commas.
  z.regex(/^[^,\s]+$/, "must be one path or name, without commas and spaces"),
);

const Permission = z.strictObject({
  allow: z.enum(KINDS),
  scope: z.array(Scope).check(z.minLength(1, "must name something: nothing would mean everything")),
  why: z.string().check(z.minLength(1, "must give the reason")),
});

const Permissions = z.array(Permission);

/** A row of a table: a kind of permission, its scope, and the reason for it. */
export type Permission = z.infer<typeof Permission>;

/**
 * Reads the permissions that an entrypoint is compiled with. Relative paths stay relative: they
 * begin in the directory in which the entrypoint is started.
 *
 * @param name The entrypoint.
 * @param directory The directory of its table, which is named as the entrypoint's source is.
 * @throws {Error} when the table cannot be read, or has a row that grants everything of a kind.
 */
export async function readPermissions(
  name: ProgramName,
  directory: string,
): Promise<Permission[]> {
  const file = `${entryFile(name)}.permissions.json`;
  return parsePermissions(await Deno.readTextFile(`${directory}/${file}`), file);
}

/**
 * Parses a table of permissions.
 *
 * @param origin The file that it comes from, with which an error begins.
 * @throws {Error} when rows are malformed; it names them, in one line.
 */
export function parsePermissions(text: string, origin: string): Permission[] {
  return parseManifest(text, Permissions, origin);
}

/**
 * Returns the flags of `deno compile` for permissions. What no row allows is refused at run time.
 */
export function permissionFlags(permissions: readonly Permission[]): string[] {
  return Object.entries(scopesByKind(permissions))
    .filter(([, scope]) => scope.length > 0)
    .map(([kind, scope]) => `--allow-${kind}=${scope.join(",")}`);
}

/** The scope of a kind in a compiled program: `null` is nothing, `[]` everything. */
const EmbeddedScope = z.nullish(z.array(z.string()));

/** The part of a compiled program's settings that has its permissions. */
const Embedded = z.object({
  permissions: z.object({
    allow_read: EmbeddedScope,
    allow_write: EmbeddedScope,
    allow_env: EmbeddedScope,
    allow_ffi: EmbeddedScope,
    allow_sys: EmbeddedScope,
    allow_net: EmbeddedScope,
    allow_run: EmbeddedScope,
    deny_import: EmbeddedScope,
    prompt: z.boolean(),
  }),
});

/**
 * Checks that a compiled program has exactly the permissions of a table.
 *
 * @param metadata The settings in the program, as JSON.
 * @throws {Error} when a kind differs; it names the first one, with both scopes.
 */
export function checkEmbedded(metadata: string, permissions: readonly Permission[]): void {
  const embedded = parseManifest(metadata, Embedded, "embedded settings").permissions;
  const expected = scopesByKind(permissions);
  for (const kind of KINDS) {
    const found = describeScope(embedded[`allow_${kind}`]);
    const wanted = describeScope(expected[kind].length === 0 ? null : expected[kind]);
    if (found !== wanted) throw new Error(`it may ${kind} ${found}, and should ${wanted}`);
  }
  if (embedded.deny_import?.length !== 0) throw new Error("it may import remote code");
  if (embedded.prompt) throw new Error("it would ask for more permissions");
}

/**
 * Formats permissions as lines of text: kind, scope and, in the first line of each row, the reason.
 */
export function describePermissions(permissions: readonly Permission[]): string[] {
  const width = Math.max(
    0,
    ...permissions.flatMap(({ scope }) => scope.map((each) => each.length)),
  );
  return permissions.flatMap(({ allow, scope, why }) =>
    scope.map((each, i) => {
      const [kind, reason] = i === 0 ? [allow, why] : ["", ""];
      return `${kind.padEnd(5)}  ${each.padEnd(width)}  ${reason}`.trimEnd();
    })
  );
}

function scopesByKind(permissions: readonly Permission[]) {
  const scopes = KINDS.map((kind) => {
    const rows = permissions.filter(({ allow }) => allow === kind);
    return [kind, [...new Set(rows.flatMap(({ scope }) => scope))]] as const;
  });
  return Object.fromEntries(scopes) as Record<typeof KINDS[number], string[]>;
}

function describeScope(scope: readonly string[] | null | undefined): string {
  if (!scope) return "nothing";
  return scope.length === 0 ? "everything" : scope.join(" ");
}
