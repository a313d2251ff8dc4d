import { assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { type Content, writeImage } from "./aci.ts";

const CONTENTS: Content[] = [
  {
    member: { path: "manifest", type: "file", mode: 0o644 },
    from: new TextEncoder().encode("{}"),
  },
  { member: { path: "rootfs", type: "directory", mode: 0o755 } },
  { member: { path: "rootfs/run", type: "file", mode: 0o755 }, from: { file: Deno.execPath() } },
];

async function withDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function options(directory: string, compression: "none" | "gzip") {
  return { output: `${directory}/image.aci`, compression, date: new Date(86_400_000) };
}

async function list(image: string): Promise<string[]> {
  const args = ["--list", "--verbose", "--utc", "--full-time", "--file", image];
  const { stdout } = await new Deno.Command("tar", { args }).output();
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) =>
    line.replaceAll(/\s+/g, " ")
  );
}

Deno.test("tar finds the members in order, with owner, mode and time", async () => {
  await withDirectory(async (directory) => {
    await writeImage(CONTENTS, options(directory, "gzip"));
    const { size } = await Deno.stat(Deno.execPath());
    assertEquals(await list(`${directory}/image.aci`), [
      "-rw-r--r-- root/root 2 1970-01-02 00:00:00 manifest",
      "drwxr-xr-x root/root 0 1970-01-02 00:00:00 rootfs/",
      `-rwxr-xr-x root/root ${size} 1970-01-02 00:00:00 rootfs/run`,
    ]);
  });
});

Deno.test("the image ID is the digest of the uncompressed tar", async () => {
  await withDirectory(async (directory) => {
    const compressed = await writeImage(CONTENTS, options(directory, "gzip"));
    const plain = await writeImage(CONTENTS, options(directory, "none"));
    const tar = await Deno.readFile(`${directory}/image.aci`);
    assertEquals(plain, `sha512-${createHash("sha512").update(tar).digest("hex")}`);
    assertEquals(compressed, plain);
  });
});

Deno.test("a member that is missing leaves no image behind", async () => {
  await withDirectory(async (directory) => {
    const file = `${directory}/missing`;
    const contents = [...CONTENTS.slice(0, 2), { ...CONTENTS[2]!, from: { file } }];
    await assertRejects(() => writeImage(contents, options(directory, "gzip")), Error, "missing");
    await assertRejects(() => Deno.stat(`${directory}/image.aci`), Deno.errors.NotFound);
  });
});
