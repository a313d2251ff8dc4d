import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { PROGRAMS } from "../image/entrypoints.ts";
import { buildPrograms, type Program } from "./build.ts";
import { bundle } from "./bundle.ts";
import { embeddedMetadata } from "./payload.ts";
import { checkEmbedded, readPermissions } from "./permissions.ts";
import { architecture, entryFile } from "./project.ts";
import { provideRuntime } from "./runtime.ts";

/** An entrypoint that needs types, a package and a permission. */
const SOURCE = `
import * as z from "zod/mini";
const text: string = z.parse(z.string(), Deno.readTextFileSync("./pod"));
console.log(text, Deno.permissions.querySync({ name: "env" }).state);
`;

const PERMISSIONS = [{ allow: "read", scope: ["."], why: "the manifests" }];

/** A directory with the entrypoints, which lasts as long as the test. */
async function withEntries(test: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    for (const name of PROGRAMS) {
      const permissions = JSON.stringify(PERMISSIONS);
      const file = `${directory}/${entryFile(name)}`;
      await Deno.writeTextFile(`${file}.permissions.json`, permissions);
      await Deno.writeTextFile(`${file}.ts`, SOURCE);
    }
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** esbuild keeps a thread for the next bundle; that is no leak. */
const SANITIZE = { sanitizeResources: false, sanitizeOps: false };

async function buildOptions(directory: string, output: string) {
  const runtime = await provideRuntime({ architecture: architecture() });
  return { entry: directory, output, architecture: architecture(), runtime };
}

Deno.test(
  "a compiled program runs with the permissions of its table, no more",
  SANITIZE,
  async () => {
    await withEntries(async (directory) => {
      const [program] = await buildPrograms(await buildOptions(directory, `${directory}/a`));
      await Deno.writeTextFile(`${directory}/pod`, "contents");
      const command = new Deno.Command(program!.path, { cwd: directory });
      const { stdout } = await command.output();
      assertEquals(new TextDecoder().decode(stdout), "contents prompt\n");
      const metadata = embeddedMetadata(await Deno.readFile(program!.path));
      checkEmbedded(metadata, await readPermissions("run", directory));
    });
  },
);

/** The programs, the code caches of the entrypoints, and the runtime. */
function filesOf(programs: readonly Program[]): string[] {
  return programs.flatMap(({ path, codeCache }) => codeCache ? [path, codeCache] : [path]);
}

Deno.test("the same source gives the same bytes, and is compiled once", SANITIZE, async () => {
  await withEntries(async (directory) => {
    const first = await buildPrograms(await buildOptions(directory, `${directory}/a`));
    const second = await buildPrograms(await buildOptions(directory, `${directory}/b`));
    assertEquals(first.map(({ inputs }) => inputs), second.map(({ inputs }) => inputs));
    for (const [i, file] of filesOf(first).entries()) {
      const compared = new Deno.Command("cmp", { args: [file, filesOf(second)[i]!] });
      assertEquals((await compared.output()).success, true, file);
    }
    assertEquals(filesOf(first).length, PROGRAMS.length * 2 + 1);
    const { mtime } = await Deno.stat(first[3]!.path);
    await buildPrograms(await buildOptions(directory, `${directory}/a`));
    assertEquals((await Deno.stat(first[3]!.path)).mtime, mtime);
  });
});

Deno.test("a bundle imports nothing and keeps no comments", SANITIZE, async () => {
  await withEntries((directory) => {
    const text = bundle(`${directory}/run.ts`);
    assertEquals(text.match(/\bimport\b|\/\*/g), null);
    assertStringIncludes(text, "console.log(");
  });
});

Deno.test("a source that cannot be bundled is refused with the place", SANITIZE, async () => {
  await withEntries(async (directory) => {
    await Deno.writeTextFile(`${directory}/gc.ts`, 'import "./missing.ts";');
    const error = assertThrows(() => bundle(`${directory}/gc.ts`), Error);
    assertStringIncludes((error.cause as Error).message, "gc.ts:1: Could not resolve");
  });
});
