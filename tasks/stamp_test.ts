import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { digestInputs, makeUnlessCurrent } from "./stamp.ts";

/** A file of three bytes, and how often it was made. */
class Work implements AsyncDisposable {
  readonly file = Deno.makeTempDirSync() + "/made";
  count = 0;

  make = async (): Promise<string> => {
    await Deno.writeTextFile(this.file, "abc");
    return `${++this.count}`;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.file.replace(/\/made$/, ""), { recursive: true });
  }
}

Deno.test("a file is made once for the same inputs, and again for others", async () => {
  await using work = new Work();
  assertEquals(await makeUnlessCurrent(work.file, "a", work.make), "1");
  assertEquals(await makeUnlessCurrent(work.file, "a", work.make), "1");
  assertEquals(await makeUnlessCurrent(work.file, "b", work.make), "2");
});

Deno.test("a file that was removed or replaced is made again", async () => {
  await using work = new Work();
  await makeUnlessCurrent(work.file, "a", work.make);
  await Deno.remove(work.file);
  assertEquals(await makeUnlessCurrent(work.file, "a", work.make), "2");
  await Deno.writeTextFile(work.file, "abcd");
  assertEquals(await makeUnlessCurrent(work.file, "a", work.make), "3");
});

Deno.test("a file that could not be made is not taken for current", async () => {
  await using work = new Work();
  const failing = async () => {
    await work.make();
    throw new Error("disk full");
  };
  await assertRejects(() => makeUnlessCurrent(work.file, "a", failing), Error, "disk full");
  assertEquals(await makeUnlessCurrent(work.file, "a", work.make), "2");
});

Deno.test("inputs in another order have another digest", () => {
  assertNotEquals(digestInputs(["a", "b"]), digestInputs(["b", "a"]));
});
