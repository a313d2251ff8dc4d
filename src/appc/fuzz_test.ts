import { assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { ImageManifest, type Isolator, PodManifest } from "./manifest.ts";
import { IMAGE, POD, withField } from "./manifest_testing.ts";
import { readIsolators } from "./isolators.ts";
import { parseManifest } from "./parse.ts";

/** How many manifests are tried in all. */
const RUNS = Deno.env.get("VOLO_FUZZ") === "full" ? 100_000 : 2_000;

/** The slowest of a thousand takes a few milliseconds; what takes this long would hang on more of the same. */
const LONGEST_MS = 2_000;

/** Values that have been trouble to parsers, and names that mean something to some field. */
const ODD = fc.oneof(
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

/** How a manifest is spoilt: where, by which share of its fields, and what it gets there. */
interface Damage {
  where: number;
  how: "delete" | "replace" | "duplicate" | "move";
  value: unknown;
}

const DAMAGE: fc.Arbitrary<Damage> = fc.record({
  where: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  how: fc.constantFrom("delete", "replace", "duplicate", "move"),
  value: ODD,
});

type Path = (string | number)[];

function allPaths(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
  return [path, ...[...keys].flatMap((key) => allPaths(Reflect.get(value, key), [...path, key]))];
}

function spoil(manifest: unknown, { where, how, value }: Damage): unknown {
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

/** Whether a text may be shown on a terminal as one line. */
function isOneLine(text: string): boolean {
  return !/[\p{Cc}\u2028\u2029]/u.test(text);
}

/** The error of reading a manifest with all its isolators, if there is one. */
function errorOf(read: () => unknown): unknown {
  const start = performance.now();
  try {
    read();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    assertEquals(performance.now() - start < LONGEST_MS, true, "takes too long");
  }
}

function checkError(error: unknown, origin: RegExp): void {
  if (error === undefined) return;
  assertInstanceOf(error, Error);
  assertEquals(error.constructor, Error);
  assertEquals([origin.test(error.message), isOneLine(error.message)], [true, true], error.message);
}

function checkPod(text: string): void {
  let pod: PodManifest | undefined;
  checkError(errorOf(() => pod = parseManifest(text, PodManifest, "pod")), /^pod: /);
  checkIsolators(pod?.isolators);
  for (const { app } of pod?.apps ?? []) checkIsolators(app?.isolators);
}

function checkImage(text: string): void {
  let image: ImageManifest | undefined;
  checkError(errorOf(() => image = parseManifest(text, ImageManifest, "image")), /^image: /);
  checkIsolators(image?.app?.isolators);
}

function checkIsolators(list: Isolator[] = []): void {
  checkError(errorOf(() => readIsolators(list, "isolators")), /^isolators\[\d+\]/);
}

const KINDS: [string, unknown, (text: string) => void][] = [
  ["pod", POD, checkPod],
  ["image", IMAGE, checkImage],
];

for (const [kind, manifest, check] of KINDS) {
  Deno.test(`a ${kind} manifest however spoilt is read, or refused in one line`, () => {
    fc.assert(
      fc.property(fc.array(DAMAGE, { minLength: 1, maxLength: 4 }), (damages) => {
        check(JSON.stringify(damages.reduce(spoil, manifest)) ?? "");
      }),
      { numRuns: RUNS * 0.4 },
    );
  });

  Deno.test(`a ${kind} manifest that is cut or garbled is refused in one line`, () => {
    const text = JSON.stringify(manifest);
    const place = fc.nat(text.length);
    fc.assert(
      fc.property(place, place, fc.string({ unit: "binary" }), (start, end, garbage) => {
        check(text.slice(0, start) + garbage + text.slice(end));
      }),
      { numRuns: RUNS * 0.1 },
    );
  });

  Deno.test(`a ${kind} manifest nested without end is refused in one line`, () => {
    const depth = 1_000_000;
    check("[".repeat(depth));
    check(`${"[".repeat(depth)}${"]".repeat(depth)}`);
    check(`{"app":`.repeat(depth / 10) + "1" + "}".repeat(depth / 10));
  });
}
