import { assertEquals } from "@std/assert";
import { makeRepository, WITHOUT_GIT } from "./git_testing.ts";
import { ROOT } from "./project.ts";
import { digestSources, sourceCommit, SOURCES } from "./sources.ts";

/** Two files, in a directory that lasts as long as the test. */
async function withFiles(test: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${root}/src/deep`, { recursive: true });
    await Deno.writeTextFile(`${root}/src/deep/a.ts`, "a");
    await Deno.writeTextFile(`${root}/b.json`, "{}");
    await test(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const EXAMPLE = ["b.json", "src"];

Deno.test("the digest of the sources is what two programs make of them", async () => {
  const find = `find ${SOURCES.join(" ")} -type f`;
  const script = `${find} | LC_ALL=C sort | xargs sha256sum | sha256sum`;
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script], cwd: ROOT }).output();
  assertEquals(`${await digestSources()}  -\n`, new TextDecoder().decode(stdout));
});

Deno.test("the digest of the sources changes with a file's contents, name and presence", async () => {
  await withFiles(async (root) => {
    const digests = [await digestSources(root, EXAMPLE)];
    await Deno.writeTextFile(`${root}/src/deep/a.ts`, "b");
    digests.push(await digestSources(root, EXAMPLE));
    await Deno.rename(`${root}/src/deep/a.ts`, `${root}/src/deep/c.ts`);
    digests.push(await digestSources(root, EXAMPLE));
    await Deno.writeTextFile(`${root}/src/new.ts`, "");
    digests.push(await digestSources(root, EXAMPLE));
    assertEquals(new Set(digests).size, digests.length);
  });
});

const COMMITTED = "the commit is told, and whether sources are no longer as in it";
Deno.test(COMMITTED, { ignore: WITHOUT_GIT }, async () => {
  await withFiles(async (root) => {
    const id = await makeRepository(root);
    assertEquals(await sourceCommit(root, EXAMPLE), { id, modified: false });
    await Deno.writeTextFile(`${root}/README.md`, "no source");
    assertEquals(await sourceCommit(root, EXAMPLE), { id, modified: false });
    await Deno.writeTextFile(`${root}/src/new.ts`, "not in the commit");
    assertEquals(await sourceCommit(root, EXAMPLE), { id, modified: true });
    assertEquals(await sourceCommit(`${root}/src`, ["deep"]), undefined);
  });
});

Deno.test("there is no commit where there is no repository", async () => {
  await withFiles(async (root) => {
    assertEquals(await sourceCommit(root, EXAMPLE), undefined);
  });
});
