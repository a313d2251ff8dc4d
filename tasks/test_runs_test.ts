import { assertEquals, assertRejects } from "@std/assert";
import { sideBySide } from "./test_runs.ts";

Deno.test("no more go on at a time than may, and they begin in order", async () => {
  const begun: number[] = [];
  let [now, most] = [0, 0];
  await sideBySide([0, 1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 5 - item));
    now--;
  });
  assertEquals({ begun, most }, { begun: [0, 1, 2, 3, 4], most: 2 });
});

Deno.test("one that fails keeps no other from its end", async () => {
  const ended: number[] = [];
  await assertRejects(
    () =>
      sideBySide([0, 1, 2], 2, (item) => {
        if (item === 0) throw new Error("no");
        ended.push(item);
        return Promise.resolve();
      }),
    AggregateError,
  );
  assertEquals(ended, [1, 2]);
});
