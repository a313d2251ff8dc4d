import { assert, assertEquals } from "@std/assert";
import { billFile, provenanceFile } from "./describe_image.ts";
import { makeRepository, WITHOUT_GIT } from "./git_testing.ts";
import { ROOT } from "./project.ts";
import { SOURCES } from "./sources.ts";

/** Builds an image from a copy of the sources, without files of an earlier build. */
async function buildIn(directory: string): Promise<string> {
  await Deno.mkdir(directory, { recursive: true });
  await run(ROOT, "cp", "-r", ...SOURCES, directory);
  if (!WITHOUT_GIT) await makeRepository(directory);
  await Deno.symlink(`${ROOT}/node_modules`, `${directory}/node_modules`);
  const options = ["--flavor=isolated", "--compression=none", "--no-sign"];
  await run(directory, Deno.execPath(), "run", "-A", "tasks/build_image.ts", ...options);
  return `${directory}/dist/stage1-volo-isolated.aci`;
}

async function run(cwd: string, program: string, ...args: string[]): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd }).output();
  const decoder = new TextDecoder();
  assert(success, decoder.decode(stdout) + decoder.decode(stderr));
}

Deno.test("two directories give the same image, bill of materials and provenance", async () => {
  const parent = await Deno.makeTempDir();
  try {
    const first = await buildIn(`${parent}/one`);
    const second = await buildIn(`${parent}/another/much/deeper`);
    await run(parent, "cmp", first, second);
    await run(parent, "cmp", billFile(first), billFile(second));
    await run(parent, "cmp", provenanceFile(first), provenanceFile(second));
    const { predicate } = JSON.parse(await Deno.readTextFile(provenanceFile(first)));
    const [sources] = predicate.buildDefinition.resolvedDependencies;
    assertEquals(sources.annotations.git, WITHOUT_GIT ? "absent" : "unmodified");
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});
