/**
 * Quantities: amounts with a suffix, as in Kubernetes. appc spec 0.8.11, `spec/ace.md`, "Resource
 * Isolators".
 *
 * @module
 */

/** The largest quantity; a larger one counts as this one. */
const LARGEST = 2n ** 63n - 1n;

/** The bounds on the digits keep the arithmetic short, whatever a manifest says. */
const QUANTITY = /^([+-]?)(\d{0,64})(?:\.(\d{0,64}))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,3})?$/;

const DECIMAL_SUFFIXES = new Map([
  ["n", -9],
  ["u", -6],
  ["m", -3],
  ["k", 3],
  ["M", 6],
  ["G", 9],
  ["T", 12],
  ["P", 15],
  ["E", 18],
]);

const BINARY_SUFFIXES = "KMGTPE";

/** What is said of a text that is no quantity: of bytes, or of what is counted in thousandths. */
export const NOT_A_QUANTITY = {
  1: "is not a quantity such as 64Ki, 16Mi or 100M",
  1000: "is not a quantity such as 1.5, 500m or 2",
} as const;

/**
 * Parses a quantity: a decimal number, optionally with `n u m k M G T P E` (powers of a thousand),
 * `Ki Mi Gi Ti Pi Ei` (powers of 1024), or `e` and an exponent.
 *
 * @param perUnit How many units of the result make one: 1, or 1000 to get thousandths.
 * @returns A whole number, rounded away from zero, so that a small request is not lost. Above
 * 2^63-1 it is 2^63-1; above 2^53 it is the nearest number that JavaScript has.
 * @throws {Error} when the text is not a quantity.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * assertEquals(parseQuantity("25Mi", 1), 25 * 1024 * 1024);
 * assertEquals(parseQuantity("0.3", 1000), 300);
 * assertEquals(parseQuantity("1500m", 1), 2);
 * assertThrows(() => parseQuantity("1K", 1), Error, '"1K" is not a quantity');
 * ```
 */
export function parseQuantity(text: string, perUnit: 1 | 1000): number {
  const [, sign, whole = "", fraction = "", suffix = ""] = QUANTITY.exec(text.trim()) ?? [];
  if (sign === undefined || whole + fraction === "") {
    throw new Error(`${JSON.stringify(text.slice(0, 64))} ${NOT_A_QUANTITY[perUnit]}`);
  }
  const { base, exponent } = readSuffix(suffix);
  const digits = BigInt(whole + fraction) * base ** BigInt(Math.max(exponent, 0));
  const divisor = 10n ** BigInt(fraction.length) * base ** BigInt(Math.max(-exponent, 0));
  const amount = min(divideUp(digits * BigInt(perUnit), divisor), LARGEST * BigInt(perUnit));
  return Number(sign === "-" ? -amount : amount);
}

function readSuffix(suffix: string): { base: bigint; exponent: number } {
  if (suffix.endsWith("i")) {
    return { base: 1024n, exponent: BINARY_SUFFIXES.indexOf(suffix.charAt(0)) + 1 };
  }
  const exponent = DECIMAL_SUFFIXES.get(suffix) ?? Number(suffix.slice(1));
  return { base: 10n, exponent };
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
