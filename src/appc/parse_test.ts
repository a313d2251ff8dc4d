import { assertEquals, assertThrows } from "@std/assert";
import { ImageManifest, PodManifest } from "./manifest.ts";
import { parseManifest } from "./parse.ts";

const APP = { exec: ["/bin/true"], user: "0", group: "0" };

function pod(fields: Record<string, unknown>): string {
  return JSON.stringify({ acKind: "PodManifest", acVersion: "0.8.11", ...fields });
}

function podWithApp(app: Record<string, unknown>): string {
  return pod({ apps: [{ name: "a", app: { ...APP, ...app } }] });
}

Deno.test("a pod manifest of the fewest fields gets the others empty", () => {
  const manifest = parseManifest(podWithApp({}), PodManifest(), "pod");
  assertEquals(manifest.volumes, []);
  assertEquals(manifest.apps[0]?.mounts, []);
  assertEquals(manifest.apps[0]?.app?.environment, []);
});

Deno.test("lists that Go wrote as null are empty, and unknown fields pass", () => {
  const text = pod({ apps: null, volumes: null, isolators: null, userLabels: { a: "b" } });
  assertEquals(parseManifest(text, PodManifest(), "pod").apps, []);
});

/** What is wrong with a pod manifest, and how the error says so. */
const WRONG: [string, string, string][] = [
  ["text that ends early", '{"acKind": "Pod', "pod: not JSON: "],
  ["an empty file", "", "pod: not JSON: "],
  ["a list", "[]", "pod: expected object, received array"],
  ["another kind", '{"acKind": "ImageManifest"}', 'acKind: expected "PodManifest"'],
  ["apps of a wrong type", pod({ apps: {} }), "apps: expected array, received object"],
  ["an app name in capitals", pod({ apps: [{ name: "Web" }] }), "apps[0].name: must be lower-case"],
  [
    "an app name with a path",
    pod({ apps: [{ name: "../x" }] }),
    "apps[0].name: must be lower-case",
  ],
  [
    "two apps of one name",
    pod({ apps: [{ name: "a" }, { name: "a" }] }),
    'apps[1].name: duplicate app "a"',
  ],
  [
    "exec as text",
    podWithApp({ exec: "/bin/sh" }),
    "apps[0].app.exec: expected array, received string",
  ],
  [
    "NUL in an argument",
    podWithApp({ exec: ["a\0b"] }),
    "apps[0].app.exec[0]: has a NUL character",
  ],
  [
    "no user",
    podWithApp({ user: undefined }),
    "apps[0].app.user: expected string, received nothing",
  ],
  ["an empty group", podWithApp({ group: "" }), "apps[0].app.group: must not be empty"],
  [
    "a negative group id",
    podWithApp({ supplementaryGIDs: [-1] }),
    "supplementaryGIDs[0]: must be a whole number",
  ],
  [
    "the id that means none",
    podWithApp({ supplementaryGIDs: [4294967295] }),
    "supplementaryGIDs[0]: must be a whole number",
  ],
  ["half a group id", podWithApp({ supplementaryGIDs: [1.5] }), "supplementaryGIDs[0]: "],
  [
    "a relative directory",
    podWithApp({ workingDirectory: "srv" }),
    "apps[0].app.workingDirectory: ",
  ],
  [
    "a variable without name",
    podWithApp({ environment: [{ name: "", value: "" }] }),
    "environment[0].name: ",
  ],
  [
    "a variable set twice",
    podWithApp({ environment: [{ name: "A", value: "" }, { name: "A", value: "" }] }),
    'apps[0].app.environment[1].name: duplicate variable "A"',
  ],
  ["a volume of no kind", pod({ apps: [], volumes: [{ name: "v" }] }), "volumes[0].kind: "],
  [
    "a relative source",
    pod({ apps: [], volumes: [{ name: "v", kind: "host", source: "data" }] }),
    "volumes[0].source: must be an absolute path",
  ],
  [
    "a mode that is not octal",
    pod({ apps: [], volumes: [{ name: "v", kind: "empty", mode: "0999" }] }),
    "volumes[0].mode: is not an octal file mode",
  ],
  [
    "two volumes of one name",
    pod({ apps: [], volumes: [{ name: "v", kind: "empty" }, { name: "v", kind: "empty" }] }),
    'volumes[1].name: duplicate volume name "v"',
  ],
  [
    "an empty mount path",
    pod({ apps: [{ name: "a", mounts: [{ volume: "v", path: "" }] }] }),
    "apps[0].mounts[0].path: must be a path without NUL",
  ],
];

for (const [what, text, message] of WRONG) {
  Deno.test(`a pod manifest with ${what} is refused in one line`, () => {
    const error = assertThrows(() => parseManifest(text, PodManifest(), "pod"), Error, message);
    assertEquals(error.message.includes("\n"), false);
  });
}

Deno.test("control characters of a manifest do not reach the error", () => {
  const text = pod({ userLabels: { "\u001b[2Ja\u009b": 1 } });
  assertThrows(
    () => parseManifest(text, PodManifest(), "pod"),
    Error,
    "pod: userLabels. [2Ja : expected string",
  );
});

Deno.test("an error names three fields at the most, and counts the rest", () => {
  const text = pod({ apps: ["A", "B", "C", "D", "E"].map((name) => ({ name })) });
  assertThrows(() => parseManifest(text, PodManifest(), "pod"), Error, "; and 2 more");
});

Deno.test("an image manifest may have no app", () => {
  const text = '{"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.com/base"}';
  assertEquals(parseManifest(text, ImageManifest(), "image").app, undefined);
});

Deno.test("a text that is no text is named, wherever it stands", () => {
  const parse = (text: string) => parseManifest(text, PodManifest(), "pod");
  const exec = podWithApp({ exec: ["/a", "\udce9"] });
  assertThrows(() => parse(exec), Error, "pod: apps[0].app.exec[1]: has half of a surrogate pair");
  assertThrows(() => parse('{"extra": [{"\\uD800": 1}]}'), Error, "pod: extra[0].");
  assertThrows(() => parse('"\\udfff"'), Error, "pod: has half of a surrogate pair");
  assertThrows(() => parse('{"name": "\udce9"}'), Error, "pod: not JSON: it is not UTF-8");
  const whole = podWithApp({ exec: ["/a", "🐢", "\\udce9"] }).replace("🐢", "\\ud83d\\udc22");
  assertEquals(parse(whole).apps[0]?.app?.exec, ["/a", "🐢", "\\udce9"]);
});
