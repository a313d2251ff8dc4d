import { assert, assertEquals, assertRejects } from "@std/assert";
import { formatMeasurements, measure } from "./measure.ts";

const QUICK = { name: "quick", argv: ["true"] };
const SLOW = { name: "slow", argv: ["sleep", "0.1"] };

Deno.test("contenders are compared with the first, round by round", async () => {
  const [quick, slow] = await measure([QUICK, SLOW], 2);
  assertEquals([quick!.ratio, quick!.beyond], [1, 0]);
  assert(slow!.beyond > 50, `${slow!.beyond} ms`);
  assert(slow!.ratio > 2, `${slow!.ratio}`);
});

Deno.test("what comes before a start is not timed, and comes before each", async () => {
  const file = await Deno.makeTempFile();
  const before = ["sh", "-c", `echo >> ${file}; sleep 0.1`];
  const [quick] = await measure([{ ...QUICK, before }], 2);
  assert(quick!.max < 100, `${quick!.max} ms`);
  assertEquals(await Deno.readTextFile(file), "\n\n\n");
  await Deno.remove(file);
});

Deno.test("the round that is not counted can be another thing", async () => {
  const warmedUp: string[] = [];
  await measure([QUICK, SLOW], 1, ({ name }) => Promise.resolve(warmedUp.push(name)));
  assertEquals(warmedUp, ["quick", "slow"]);
});

Deno.test("without a round there is nothing to compare", async () => {
  await assertRejects(() => measure([QUICK], 0), Error, "nothing to measure");
});

Deno.test("measurements are a table", () => {
  const first = { name: "a", min: 1, median: 2, max: 3, ratio: 1, beyond: 0 };
  const second = { name: "second", min: 10, median: 20, max: 30, ratio: 10, beyond: 18 };
  assertEquals(formatMeasurements([first, second]), [
    "ms          min   median      max   beyond    ratio",
    "a           1.0      2.0      3.0      0.0     1.00",
    "second     10.0     20.0     30.0     18.0    10.00",
  ]);
});
