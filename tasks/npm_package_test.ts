import { assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { extractFile, fetchPackage, findNpm } from "./npm_package.ts";

/**
 * A directory with an archive, a file at `package/bin/program`, which lasts as long as the test.
 */
async function withArchive(test: (archive: string, directory: string) => Promise<void>) {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${directory}/package/bin`, { recursive: true });
    await Deno.writeTextFile(`${directory}/package/package.json`, "{}");
    await Deno.writeTextFile(`${directory}/package/bin/program`, "the program");
    const archive = `${directory}/archive.tgz`;
    const args = ["-czf", archive, "-C", directory, "package/package.json", "package/bin/program"];
    assertEquals((await new Deno.Command("tar", { args }).output()).success, true);
    await test(archive, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Stands in for npm: a script with the place of the archive as `$into`. */
async function makeNpm(directory: string, script: string): Promise<string> {
  const npm = `${directory}/npm`;
  await Deno.writeTextFile(npm, `#!/bin/sh\ninto=\${3#*=}\n${script}\n`, { mode: 0o755 });
  await Deno.mkdir(`${directory}/fetched`);
  return npm;
}

const LOCKED = { name: "volo-test", version: "1.2.3", license: undefined, sha512: "abcd" };

Deno.test("a package is fetched by npm, and what the lock file says is checked", async () => {
  await withArchive(async (archive, directory) => {
    const npm = await makeNpm(
      directory,
      `[ "$1 $4" = "pack volo-test@1.2.3" ] && cp ${archive} $into`,
    );
    const bytes = await Deno.readFile(archive);
    const sha512 = createHash("sha512").update(bytes).digest("hex");
    const fetched = await fetchPackage({ ...LOCKED, sha512 }, `${directory}/fetched`, npm);
    await extractFile(fetched, "bin/program", `${directory}/program`);
    assertEquals(await Deno.readTextFile(`${directory}/program`), "the program");
  });
});

Deno.test("a package with another digest than the locked one is refused", async () => {
  await withArchive(async (archive, directory) => {
    const npm = await makeNpm(directory, `cp ${archive} $into`);
    await assertRejects(
      () => fetchPackage(LOCKED, `${directory}/fetched`, npm),
      Error,
      "and package-lock.json has abcd",
    );
  });
});

Deno.test("why npm could not fetch a package is said in one line", async () => {
  const complaints = [
    [`printf %s '{"error": {"summary": "no network\\n\\nmore"}}'; exit 1`, "no network"],
    ["exit 1", "npm failed"],
  ];
  for (const [script, expected] of complaints) {
    await withArchive(async (_, directory) => {
      const npm = await makeNpm(directory, script!);
      const error = await assertRejects(
        () => fetchPackage(LOCKED, `${directory}/fetched`, npm),
        Error,
      );
      assertEquals(error.message, `volo-test@1.2.3 cannot be fetched: ${expected}`);
    });
  }
});

Deno.test("without npm nothing can be fetched", async () => {
  await assertRejects(() => fetchPackage(LOCKED, "/nowhere", ""), Error, "there is no npm");
});

Deno.test("npm is found in the first directory that has one", async () => {
  await withArchive(async (_, directory) => {
    const npm = await makeNpm(directory, "");
    assertEquals(findNpm(`/nowhere:${directory}:/usr/bin`), npm);
    assertEquals(findNpm("/nowhere"), "");
  });
});

Deno.test("a file that an archive has not is named", async () => {
  await withArchive(async (archive, directory) => {
    await assertRejects(
      () => extractFile(archive, "bin/other", `${directory}/other`),
      Error,
      "bin/other is missing",
    );
  });
});
