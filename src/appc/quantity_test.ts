import { assertEquals, assertThrows } from "@std/assert";
import { parseQuantity } from "./quantity.ts";

/** Quantities in units and in thousandths. */
const QUANTITIES: [string, number, number][] = [
  ["0", 0, 0],
  ["-0", 0, 0],
  ["007", 7, 7000],
  ["5.", 5, 5000],
  [".5", 1, 500],
  [" +1.5 ", 2, 1500],
  ["-1.5", -2, -1500],
  ["1n", 1, 1],
  ["1u", 1, 1],
  ["800m", 1, 800],
  ["0.0001m", 1, 1],
  ["1k", 1000, 1e6],
  ["10.035M", 10_035_000, 10_035_000_000],
  ["1G", 1e9, 1e12],
  ["2T", 2e12, 2e15],
  ["3P", 3e15, 3e18],
  ["1E", 1e18, 1e21],
  ["1Ki", 1024, 1_024_000],
  ["25Mi", 26_214_400, 26_214_400_000],
  ["0.1Gi", 107_374_183, 107_374_182_400],
  ["1.025Ti", 1_126_999_418_471, 1_126_999_418_470_400],
  ["1Pi", 2 ** 50, 2 ** 50 * 1000],
  ["1Ei", 2 ** 60, 2 ** 60 * 1000],
  ["1e3", 1000, 1e6],
  ["1.3E+6", 1_300_000, 1_300_000_000],
  ["5E-3", 1, 5],
  ["1e-999", 1, 1],
  ["100Ei", 2 ** 63, 2 ** 63 * 1000],
  ["1e999", 2 ** 63, 2 ** 63 * 1000],
  ["99999999999999999999", 2 ** 63, 2 ** 63 * 1000],
];

for (const [text, units, thousandths] of QUANTITIES) {
  Deno.test(`the quantity ${text} in units and thousandths`, () => {
    // Adding zero makes one of the two zeros.
    assertEquals(parseQuantity(text, 1) + 0, units);
    assertEquals(parseQuantity(text, 1000) + 0, thousandths);
  });
}

const WRONG = [
  ...["", "+", ".", "Mi", "-k", "1K", "1ki", "1i", "1 G", "1GB", "1e", "1e1.5", "1e1000"],
  ...["1..5", "1,5", "0x10", "NaN", "1".repeat(65)],
];

for (const text of WRONG) {
  Deno.test(`"${text}" is no quantity`, () => {
    assertThrows(() => parseQuantity(text, 1), Error, "is not a quantity");
  });
}
