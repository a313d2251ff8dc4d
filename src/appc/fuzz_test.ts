import { assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { ImageManifest, type Isolator, PodManifest } from "./manifest.ts";
import { DAMAGE, IMAGE, isOneLine, POD, spoil } from "./manifest_testing.ts";
import { readIsolators } from "./isolators.ts";
import { parseManifest } from "./parse.ts";

/** How many manifests are tried in all. */
const RUNS = Deno.env.get("VOLO_FUZZ") === "full" ? 100_000 : 2_000;

/**
 * The slowest of a thousand manifests takes a few milliseconds. One that takes this long shows that
 * a larger one would take for ever.
 */
const LONGEST_MS = 2_000;

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
  checkError(errorOf(() => pod = parseManifest(text, PodManifest(), "pod")), /^pod: /);
  checkIsolators(pod?.isolators);
  for (const { app } of pod?.apps ?? []) checkIsolators(app?.isolators);
}

function checkImage(text: string): void {
  let image: ImageManifest | undefined;
  checkError(errorOf(() => image = parseManifest(text, ImageManifest(), "image")), /^image: /);
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
