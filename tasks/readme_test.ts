import { assertEquals } from "@std/assert";
import { describeFields } from "../src/plan/fields.ts";
import { ROOT } from "./project.ts";

/** The cells of a Markdown table, whatever its columns are padded with. */
function cells(lines: readonly string[]): string[][] {
  return lines.map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "---")));
}

Deno.test("README's table of fields is the one that the code acts on", async () => {
  const lines = (await Deno.readTextFile(`${ROOT}/README.md`)).split("\n");
  const table = describeFields();
  const start = lines.findIndex((line) => /^\| field +\|/.test(line));
  assertEquals(cells(lines.slice(start, start + table.length)), cells(table));
});
