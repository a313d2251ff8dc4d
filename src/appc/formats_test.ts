import { assertEquals } from "@std/assert";
import type * as z from "zod/mini";
import { Hash, HostIP, isDate, isURL, SemVer } from "./formats.ts";
import { ACIdentifier, ACName } from "./names.ts";
import type { Schema } from "./schema.ts";

function accepts(schema: Schema<z.ZodMiniType<string>>): (text: string) => boolean {
  return (text) => schema().safeParse(text).success;
}

/** Texts that each form takes, and texts that it refuses. */
const FORMS: [string, (text: string) => boolean, string[], string[]][] = [
  ["an AC Name", accepts(ACName), ["a", "0", "a-b", "a--b"], ["", "A", "-a", "a-", "a.b", "a\n"]],
  [
    "an AC Identifier",
    accepts(ACIdentifier),
    ["a", "example.com/a_b~c", "a//b"],
    ["", "/a", "a/", "A", "a b", "é"],
  ],
  [
    "a version",
    accepts(SemVer),
    ["0.8.11", "01.2.3", "0.0.0-a", "0.0.0+a", "1.2.3-a+b-c", "1.2.3+"],
    ["", "1.2", "1.2.3.4", "v1.2.3", "0.0.0", "00.0.0-+", "1.2.-3", "1.2.3\n"],
  ],
  [
    "an image ID",
    accepts(Hash),
    ["sha512-06c7", "sha512-anything"],
    ["", "sha512", "sha512-", "sha512-a-b", "sha256-06c7", "-06c7"],
  ],
  [
    "an address",
    accepts(HostIP),
    ["", "0.0.0.0", "255.255.255.255", "::", "fe80::1", "::ffff:1.2.3.4", "1:2:3:4:5:6:7::"],
    [
      "1.2.3",
      "1.2.3.4.",
      "1.2.3.256",
      "01.2.3.4",
      "::1%lo",
      "[::1]",
      "1::2::3",
      "::12345",
      "::1]/",
      "localhost",
    ],
  ],
  [
    "a date",
    isDate,
    ["2000-02-29T23:59:59Z", "2020-01-02T3:04:05,5Z", "2020-12-31T00:00:00.123456789-99:99"],
    [
      "",
      "2020-01-02",
      "2020-01-02 03:04:05Z",
      "2020-01-02T03:04:05",
      "2020-01-02T03:04:05+0100",
      "1900-02-29T00:00:00Z",
      "2020-04-31T00:00:00Z",
      "2020-00-01T00:00:00Z",
      "2020-01-02T24:00:00Z",
      "2020-01-02T03:04:60Z",
    ],
  ],
  [
    "a URL",
    isURL,
    [
      "http://example.com",
      "HTTPS://u:p%40@[::1]:80/a b?%zz#c",
      "http:",
      "http:opaque%zz",
      "http:/%20",
      "http://é/",
      "http://%c3%a9:/",
    ],
    [
      "",
      "example.com",
      "ftp://example.com",
      " http://a",
      "http://a:b/",
      "http://a b/",
      "http://[::1/",
      "http://[::1]a",
      "http://u u@a/",
      "http://%41/",
      "http://a/%4",
      "http://a/#%zz",
      "http://a/\n",
    ],
  ],
];

for (const [what, takes, good, bad] of FORMS) {
  Deno.test(`what is ${what}, and what is not`, () => {
    assertEquals(good.filter((text) => !takes(text)), [], "refused");
    assertEquals(bad.filter(takes), [], "taken");
  });
}
