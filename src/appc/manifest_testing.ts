/**
 * Correct manifests with every field, for tests to spoil, and ways to spoil them.
 *
 * @module
 */

import fc from "fast-check";

const ID = `sha512-${"06c7".repeat(32)}`;

const LABELS = [
  { name: "os", value: "linux" },
  { name: "arch", value: "amd64" },
  { name: "version", value: "1.0.0" },
];

const ANNOTATIONS = [
  { name: "created", value: "2020-02-29T12:00:00Z" },
  { name: "homepage", value: "https://example.com/" },
  { name: "documentation", value: "http://example.com/docs?a#b" },
];

const PORT = { name: "web", protocol: "tcp", port: 8080, count: 2, socketActivated: true };

const APP = {
  exec: ["/bin/server", "--verbose"],
  user: "web",
  group: "0",
  supplementaryGIDs: [10, 20],
  workingDirectory: "/srv",
  environment: [{ name: "LANG", value: "C" }, { name: "x.y-z", value: "" }],
  mountPoints: [{ name: "data", path: "/data", readOnly: true }],
  ports: [PORT],
  eventHandlers: [{ name: "pre-start", exec: ["/bin/prepare"] }, { name: "post-stop", exec: [] }],
  isolators: [
    { name: "resource/memory", value: { request: "1G", limit: "2Gi" } },
    { name: "os/linux/seccomp-remove-set", value: { set: ["reboot"], errno: "EPERM" } },
    { name: "example.com/unknown", value: { anything: [1] } },
  ],
  userAnnotations: { note: "by hand" },
  userLabels: { tier: "front" },
};

/** An image manifest with every field. */
export const IMAGE = {
  acKind: "ImageManifest",
  acVersion: "0.8.11",
  name: "example.com/server",
  labels: LABELS,
  app: APP,
  annotations: ANNOTATIONS,
  dependencies: [{ imageName: "example.com/base", imageID: ID, labels: LABELS, size: 22_017_258 }],
  pathWhitelist: ["/bin/server"],
};

/** A pod manifest with every field. */
export const POD = {
  acKind: "PodManifest",
  acVersion: "0.8.11",
  apps: [{
    name: "server",
    image: { name: "example.com/server", id: ID, labels: LABELS },
    app: APP,
    readOnlyRootFS: true,
    mounts: [{
      volume: "data",
      path: "data",
      appVolume: { name: "data", kind: "empty", mode: "0700", uid: 1, gid: 2 },
    }],
    annotations: ANNOTATIONS,
  }, { name: "sidekick", image: { id: ID } }],
  volumes: [
    { name: "data", kind: "host", source: "/srv/data", readOnly: true, recursive: false },
    { name: "scratch", kind: "empty", source: "", mode: "0755", uid: 0, gid: 0 },
  ],
  isolators: [{ name: "os/unix/sysctl", value: { "net.ipv4.tcp_mtu_probing": "1" } }],
  annotations: ANNOTATIONS,
  ports: [{ name: "web", hostPort: 80, hostIP: "::1", podPort: PORT }],
  userAnnotations: { note: "by hand" },
  userLabels: { tier: "front" },
};

/** The keys that lead to a place in an object or list. */
type Path = readonly (string | number)[];

/**
 * Copies a manifest with another value at a path; undefined removes the value.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(withField({ a: [{ b: 1 }] }, ["a", 0, "b"], 2), { a: [{ b: 2 }] });
 * ```
 */
export function withField(manifest: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  const copy = (Array.isArray(manifest) ? [...manifest] : { ...manifest as object }) as Record<
    string | number,
    unknown
  >;
  copy[key] = withField(copy[key], rest, value);
  return copy;
}

/** Parses a path as the spec writes it, such as `apps[0].name`. */
export function fieldPath(field: string): Path {
  return field.split(/[.[\]]+/).filter((key) => key !== "").map((key) =>
    /^\d+$/.test(key) ? Number(key) : key
  );
}

/** Values that have troubled parsers, and names that mean something to some field. */
export const ODD: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: "binary" }),
  fc.constantFrom<unknown>(
    ...[1e308, -1e308, 5e-324, 2 ** 53, 2 ** 63, -0, 0.1, -1, 65536, 4294967295],
    ...["", "\0", "\n", "\u001b[2J", "\u2028", "\ud800", "__proto__", "constructor", "../x"],
    ...[
      "x".repeat(100_000),
      "a-".repeat(50_000),
      "9".repeat(100_000),
      "1e999999999",
      "-1e-99999999",
    ],
    ...["name", "os", "arch", "created", "empty", "host", "resource/cpu", "os/unix/sysctl"],
    ...[{ kind: "empty" }, { set: [] }, { default: true, limit: "9Ei" }, { length: 1e9 }],
    JSON.parse('{"__proto__": {"toString": 1}}'),
  ),
);

/** How a manifest is spoilt. `where` is a share of its fields, from 0 on. */
export interface Damage {
  where: number;
  how: "delete" | "replace" | "duplicate" | "move";
  value: unknown;
}

/** Any damage. */
export const DAMAGE: fc.Arbitrary<Damage> = fc.record({
  where: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  how: fc.constantFrom("delete", "replace", "duplicate", "move"),
  value: ODD,
});

function allPaths(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  return [path, ...[...keys].flatMap((key) => allPaths(Reflect.get(value, key), [...path, key]))];
}

/** Copies a manifest and damages the copy. */
export function spoil(manifest: unknown, { where, how, value }: Damage): unknown {
  const paths = allPaths(manifest);
  const path = paths[Math.floor(where * paths.length)] ?? [];
  const here = path.reduce<unknown>((at, key) => Reflect.get(at as object, key), manifest);
  switch (how) {
    case "delete":
      return withField(manifest, path, undefined);
    case "replace":
      return withField(manifest, path, value);
    case "duplicate":
      return withField(manifest, path, Array.isArray(here) ? [...here, ...here] : [here, here]);
    case "move":
      return withField(manifest, [...path.slice(0, -1), JSON.stringify(value)], here);
  }
}

/** Checks whether a terminal shows a text as one line. */
export function isOneLine(text: string): boolean {
  return !/[\p{Cc}\u2028\u2029]/u.test(text);
}
