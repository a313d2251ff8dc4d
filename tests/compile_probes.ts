/**
 * Compiles the permission probe once for each entrypoint, exactly as the entrypoint is compiled.
 *
 * This is a program of its own, because the bundler starts processes that live as long as the
 * program that calls it.
 *
 * `deno run -A tests/compile_probes.ts DIRECTORY`
 *
 * @module
 */

import { PROGRAMS } from "../image/entrypoints.ts";
import { buildPrograms } from "../tasks/build.ts";
import { architecture, ENTRY, entryFile } from "../tasks/project.ts";
import { provideRuntime } from "../tasks/runtime.ts";

const [output] = Deno.args;
if (output === undefined) throw new Error("the directory is missing");
await compileProbes(output);

async function compileProbes(output: string): Promise<void> {
  const entry = `${output}/entry`;
  await Deno.mkdir(entry);
  for (const name of PROGRAMS) {
    const file = entryFile(name);
    await Deno.copyFile(`${import.meta.dirname}/permission_probe.ts`, `${entry}/${file}.ts`);
    const table = `${file}.permissions.json`;
    await Deno.copyFile(`${ENTRY}/${table}`, `${entry}/${table}`);
  }
  const target = architecture();
  const runtime = await provideRuntime({ architecture: target });
  await buildPrograms({ entry, output, architecture: target, runtime });
}
