import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { describeError } from "../src/stage1/entrypoint.ts";
import { architecture } from "./project.ts";
import { carve, provideRuntime } from "./runtime.ts";

const RUNTIME = new TextEncoder().encode("the runtime");
const PIN = { size: RUNTIME.length, sha256: createHash("sha256").update(RUNTIME).digest("hex") };

/** Writes a compiled program into a directory that lasts as long as the test. */
async function withProgram(
  bytes: Uint8Array,
  test: (program: string, runtime: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${directory}/program`, bytes);
    await test(`${directory}/program`, `${directory}/runtime`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function compile(runtime: Uint8Array): Uint8Array {
  const payload = 20;
  const program = new Uint8Array(runtime.length + payload);
  program.set(runtime);
  const view = new DataView(program.buffer);
  view.setUint32(program.length - 16, 0x501e, true);
  view.setBigUint64(program.length - 8, BigInt(payload), true);
  return program;
}

Deno.test("the runtime is cut out of a compiled program", async () => {
  await withProgram(compile(RUNTIME), async (program, runtime) => {
    await carve(program, PIN, runtime);
    assertEquals(await Deno.readFile(runtime), RUNTIME);
  });
});

Deno.test("a runtime of another size is refused", async () => {
  await withProgram(compile(new Uint8Array(9)), async (program, runtime) => {
    const error = await assertRejects(() => carve(program, PIN, runtime), Error);
    assertEquals(error.message, `${program}: its runtime has 9 bytes instead of 11`);
  });
});

Deno.test("a runtime with other contents is refused, and nothing is left behind", async () => {
  await withProgram(compile(RUNTIME.toReversed()), async (program, runtime) => {
    await assertRejects(() => carve(program, PIN, runtime), Error, "its runtime has the sha256");
    await assertRejects(() => Deno.stat(runtime), Deno.errors.NotFound);
  });
});

Deno.test("a file that was not compiled is refused by name", async () => {
  await withProgram(RUNTIME, async (program, runtime) => {
    await assertRejects(() => carve(program, PIN, runtime), Error, program);
  });
});

/** An empty name means none, whatever `DENORT_BIN` is for the tests. */
const NOWHERE = {
  architecture: architecture(),
  own: "",
  packages: "/nowhere",
  npm: "",
};

/** Runs a test with a cache that lasts as long as the test. */
async function withCache(test: (cache: string) => Promise<void>): Promise<void> {
  const cache = await Deno.makeTempDir();
  try {
    await test(cache);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

Deno.test("a missing npm package is refused with what to do instead", async () => {
  await withCache(async (cache) => {
    await assertRejects(
      () => provideRuntime({ ...NOWHERE, source: "npm", cache }),
      Error,
      "--runtime=download does without",
    );
  });
});

/** The cache is as a first download leaves it. */
Deno.test("what was downloaded is used again, and in place of what npm cannot bring", async () => {
  await withCache(async (cache) => {
    const runtime = `${cache}/denort-${Deno.version.deno}-${NOWHERE.architecture.npm}-downloaded`;
    await Deno.writeFile(runtime, RUNTIME);
    assertEquals(await provideRuntime({ ...NOWHERE, source: "download", cache }), runtime);
    assertEquals(await provideRuntime({ ...NOWHERE, cache }), runtime);
  });
});

Deno.test("what npm fetched in place of the runtime is refused, and nothing is left", async () => {
  await withCache(async (cache) => {
    const npm = `${cache}/npm`;
    await Deno.writeTextFile(npm, `#!/bin/sh\necho other >"\${3#*=}/other.tgz"\n`, { mode: 0o755 });
    const error = await assertRejects(
      () => provideRuntime({ ...NOWHERE, cache: `${cache}/runtime`, npm }),
      Error,
    );
    assertMatch(
      describeError(error),
      /its archive is [0-9a-f]{128}, and package-lock.json has [0-9a-f]{128} /,
    );
    assertEquals([...Deno.readDirSync(`${cache}/runtime`)], []);
  });
});
