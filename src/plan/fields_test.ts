import { assertEquals } from "@std/assert";
import { describeFields, FIELD_RULES, refuseField, tellIgnored } from "./fields.ts";

const TREATMENTS = ["honoured", "refused", "ignored", "not ours"];

/** The cells of the table's rows, without its head. */
function rows(): string[][] {
  return describeFields().slice(2).map((line) => line.slice(2, -2).split(" | "));
}

Deno.test("the table has a head, and one row of three cells for each rule", () => {
  assertEquals(describeFields().slice(0, 2), [
    "| field | | how, or why not |",
    "| --- | --- | --- |",
  ]);
  const rules = Object.entries(FIELD_RULES);
  assertEquals(rows(), rules.map(([field, { treatment, how }]) => [field, treatment, how]));
});

Deno.test("each treatment is one of the four, and all four are used", () => {
  const used = new Set<string>(Object.values(FIELD_RULES).map(({ treatment }) => treatment));
  assertEquals([...used].toSorted(), TREATMENTS.toSorted());
});

Deno.test("no cell is empty or would break its row", () => {
  for (const cell of rows().flat()) assertEquals(/^[^|\n]+$/.test(cell), true, cell);
});

Deno.test("messages name the place, the treatment, and the table's reason", () => {
  assertEquals(
    tellIgnored("pod: ports", "ports[0] (web)"),
    `ports[0] (web): ignored: ${FIELD_RULES["pod: ports"].how}`,
  );
  assertEquals(
    refuseField("os/unix/sysctl", "apps[0].app.isolators[0]").message,
    `apps[0].app.isolators[0]: refused: ${FIELD_RULES["os/unix/sysctl"].how}`,
  );
});
