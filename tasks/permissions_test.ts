import { assertEquals, assertThrows } from "@std/assert";
import {
  checkEmbedded,
  describePermissions,
  parsePermissions,
  type Permission,
  permissionFlags,
} from "./permissions.ts";

const TABLE: Permission[] = [
  { allow: "read", scope: ["."], why: "the manifests" },
  { allow: "ffi", scope: ["/lib64/libc.so.6"], why: "system calls" },
  { allow: "read", scope: ["/etc/hosts"], why: "names" },
];

/** The settings of a program that was compiled with the table, except for some. */
function embedded(changes: Record<string, unknown> = {}): string {
  const permissions = {
    allow_read: [".", "/etc/hosts"],
    allow_write: null,
    allow_env: null,
    allow_ffi: ["/lib64/libc.so.6"],
    allow_sys: null,
    allow_net: null,
    allow_run: null,
    deny_import: [],
    prompt: false,
    ...changes,
  };
  return JSON.stringify({ permissions });
}

Deno.test("rows of one kind become one flag", () => {
  assertEquals(permissionFlags(TABLE), [
    "--allow-read=.,/etc/hosts",
    "--allow-ffi=/lib64/libc.so.6",
  ]);
});

Deno.test("a scope that would mean everything is refused", () => {
  for (const scope of [[], [""], ["a,b"]]) {
    const text = JSON.stringify([{ allow: "read", scope, why: "because" }]);
    assertThrows(() => parsePermissions(text, "run"), Error, "run: [0].scope");
  }
});

Deno.test("a kind that Deno does not know and a row without a reason are refused", () => {
  const unknown = JSON.stringify([{ allow: "fly", scope: ["."], why: "because" }]);
  assertThrows(() => parsePermissions(unknown, "run"), Error, "run: [0].allow");
  const bare = JSON.stringify([{ allow: "read", scope: ["."] }]);
  assertThrows(() => parsePermissions(bare, "run"), Error, "run: [0].why");
});

Deno.test("a program with the permissions of the table is accepted", () => {
  checkEmbedded(embedded(), TABLE);
});

Deno.test("a program with more, fewer or unlimited permissions is refused", () => {
  const check = (changes: Record<string, unknown>, message: string) =>
    assertThrows(() => checkEmbedded(embedded(changes), TABLE), Error, message);
  check({ allow_net: [] }, "it may net everything, and should nothing");
  check({ allow_read: ["."] }, "it may read ., and should . /etc/hosts");
  check({ allow_ffi: null }, "it may ffi nothing, and should /lib64/libc.so.6");
  check({ deny_import: null }, "it may import remote code");
  check({ prompt: true }, "it would ask for more permissions");
});

Deno.test("permissions are printed in columns, a scope a line", () => {
  assertEquals(describePermissions([{ ...TABLE[0]!, scope: [".", "/etc/hosts"] }, TABLE[1]!]), [
    "read   .                 the manifests",
    "       /etc/hosts",
    "ffi    /lib64/libc.so.6  system calls",
  ]);
});
