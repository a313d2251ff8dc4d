import { assertEquals, assertRejects } from "@std/assert";
import { COMPRESSIONS, compressor, detectCompression, openDecompressed } from "./compression.ts";

const TEXT = "runtime ".repeat(10_000);

async function withFile(test: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await test(path);
  } finally {
    await Deno.remove(path);
  }
}

async function write(path: string, compression: typeof COMPRESSIONS[number]): Promise<void> {
  const filter = compressor(compression);
  const text = new Blob([TEXT]).stream();
  await Deno.writeFile(path, filter === undefined ? text : text.pipeThrough(filter));
}

for (const compression of COMPRESSIONS) {
  Deno.test(`${compression}: what was written is recognised and read back`, async () => {
    await withFile(async (path) => {
      await write(path, compression);
      assertEquals(await detectCompression(path), compression);
      assertEquals(await new Response(await openDecompressed(path)).text(), TEXT);
    });
  });

  Deno.test(`${compression}: the same contents give the same bytes`, async () => {
    await withFile(async (path) => {
      await write(path, compression);
      const first = await Deno.readFile(path);
      await write(path, compression);
      assertEquals(await Deno.readFile(path), first);
    });
  });
}

Deno.test("damaged xz is refused with what xz says", async () => {
  await withFile(async (path) => {
    await write(path, "xz");
    await Deno.truncate(path, 40);
    const contents = await openDecompressed(path);
    await assertRejects(() => contents.pipeTo(new WritableStream()), Error, "xz: ");
  });
});
