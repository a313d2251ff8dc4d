import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { createTarPacker } from "modern-tar";
import { createHash } from "node:crypto";
import { PROGRAMS } from "../image/entrypoints.ts";
import { imageManifest } from "../image/manifest.ts";
import { CODE_CACHE_MEMBERS, type Member, MEMBERS } from "../image/members.ts";
import { compileNative } from "../image/native.ts";
import { concatenate } from "../src/linux/bytes.ts";
import { describeError } from "../src/stage1/entrypoint.ts";
import { type Flavor, FLAVORS } from "../src/stage1/flavor.ts";
import { type Content, writeImage } from "./aci.ts";
import { inspectImage, requireEqual, requireExecutable } from "./inspect.ts";
import { architecture, entryFile, VERSION } from "./project.ts";

const TARGET = architecture("amd64");

const PERMISSIONS = {
  allow_read: ["."],
  allow_write: null,
  allow_env: null,
  allow_ffi: null,
  allow_sys: null,
  allow_net: null,
  allow_run: null,
  deny_import: [],
  prompt: false,
};

const LAUNCHER = compileNative("launcher", TARGET.appc).bytes;

/** A key too large for a number of JavaScript. */
const KEY = 17791645045157828667n;

const CODE = new TextEncoder().encode("what the program does");

const CODE_CACHE = new TextEncoder().encode("what V8 has compiled");

/**
 * As much of a compiled program as the inspection looks at.
 *
 * @param key That of its code cache.
 */
function program(
  permissions: unknown = PERMISSIONS,
  start = LAUNCHER,
  key = `${KEY}`,
  code = CODE,
): Uint8Array {
  const text = `{"code_cache_key":${key},"permissions":${JSON.stringify(permissions)}}`;
  const metadata = new TextEncoder().encode(text);
  const bytes = new Uint8Array(start.length + 16 + metadata.length + code.length + 16);
  const view = new DataView(bytes.buffer);
  bytes.set(start);
  bytes.set(new TextEncoder().encode("d3n0l4nd"), start.length);
  view.setBigUint64(start.length + 8, BigInt(metadata.length), true);
  bytes.set(metadata, start.length + 16);
  bytes.set(code, start.length + 16 + metadata.length);
  view.setUint32(bytes.length - 16, 0x501e, true);
  view.setBigUint64(bytes.length - 8, BigInt(bytes.length - start.length), true);
  return bytes;
}

/** An ELF file for a processor, in place of the runtime. */
const RUNTIME = LAUNCHER;

/** The members of a correct image. */
function contents(flavor: Flavor = "host"): Content[] {
  const labels = { version: VERSION, arch: TARGET.appc, flavor };
  const manifest = JSON.stringify(imageManifest(labels));
  return [...MEMBERS, ...CODE_CACHE_MEMBERS].map((member) => {
    if (member.type === "directory") return { member };
    if (member.codeCacheOf !== undefined) return { member, from: CODE_CACHE };
    if (member.program === undefined) return { member, from: new TextEncoder().encode(manifest) };
    return { member, from: contentsOf(member.program) };
  });
}

function contentsOf(name: NonNullable<Member["program"]>): Uint8Array {
  if (name === "denort") return RUNTIME;
  return name === "init" ? compileNative("init", TARGET.appc).bytes : program();
}

/** Changes one member of a correct image. */
function changed(path: string, change: { member?: Partial<Member>; from?: Uint8Array }): Content[] {
  return contents().map((content) =>
    content.member.path === path
      ? { ...content, ...change, member: { ...content.member, ...change.member } }
      : content
  );
}

/**
 * Writes an image, inspects it, and returns the error.
 *
 * @param change Changes the file before it is inspected.
 */
async function inspect(
  members: Content[],
  change = (_image: string): Promise<void> => Promise.resolve(),
): Promise<string> {
  const directory = await Deno.makeTempDir();
  const output = `${directory}/image.aci`;
  try {
    for (const name of PROGRAMS) {
      const table = [{ allow: "read", scope: ["."], why: "the manifests" }];
      const file = `${directory}/${entryFile(name)}.permissions.json`;
      await Deno.writeTextFile(file, JSON.stringify(table));
    }
    await writeImage(members, { output, compression: "none", date: new Date(0) });
    await change(output);
    const runtime = createHash("sha256").update(RUNTIME).digest("hex");
    const codeCache = (_name: string, key: bigint) =>
      Promise.resolve(key === KEY ? CODE_CACHE : new Uint8Array());
    const expected = { entry: directory, runtime: () => runtime, program: compiled, codeCache };
    return await inspectImage(output, expected)
      .then(() => "nothing", describeError);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function compiled(_name: string, hasCodeCache: boolean): Promise<Uint8Array> {
  return Promise.resolve(program(PERMISSIONS, LAUNCHER, hasCodeCache ? `${KEY}` : "null"));
}

async function assertFault(members: Content[], fault: string): Promise<void> {
  const found = await inspect(members);
  assertEquals(found.replace(/^\/.*?\/image\.aci: /, ""), fault);
}

Deno.test("an image as in the source has no faults", async () => {
  for (const flavor of FLAVORS) assertEquals(await inspect(contents(flavor)), "nothing");
});

Deno.test("a member that is missing, moved or foreign is a fault", async () => {
  const last = `rootfs/code-cache/deno-compile-${PROGRAMS.at(-1)}.cache`;
  await assertFault(contents().slice(0, -1), `${last}: is missing`);
  await assertFault(contents().slice(0, MEMBERS.length - 1), "rootfs/denort: is missing");
  const moved = [...contents().slice(0, 2), ...contents().slice(3)];
  await assertFault(moved, "rootfs/opt/: is where rootfs/etc should be");
  const foreign = { member: { path: "rootfs/x", type: "file", mode: 0o644 } } as const;
  await assertFault([...contents(), foreign], "rootfs/x: does not belong in the image");
  await assertFault([...contents(), contents()[0]!], "manifest: does not belong in the image");
});

Deno.test("another mode or type is a fault", async () => {
  await assertFault(
    changed("rootfs/run", { member: { mode: 0o4755 } }),
    "rootfs/run: its mode is 4755 instead of 0755",
  );
  await assertFault(
    changed("rootfs/etc", { member: { type: "file" } }),
    "rootfs/etc: its type is file instead of directory",
  );
});

Deno.test("a manifest that says something else is a fault", async () => {
  const labels = { version: "0.0.9", arch: TARGET.appc, flavor: "host" } as const;
  const manifest = new TextEncoder().encode(JSON.stringify(imageManifest(labels)));
  await assertFault(
    changed("manifest", { from: manifest }),
    `manifest: labels[0].value is "0.0.9" and should be "${VERSION}"`,
  );
});

Deno.test("a manifest that has another kind's name is a fault", async () => {
  const labels = { version: VERSION, arch: TARGET.appc } as const;
  const { name } = imageManifest({ ...labels, flavor: "host" });
  const manifest = { ...imageManifest({ ...labels, flavor: "isolated" }), name };
  await assertFault(
    changed("manifest", { from: new TextEncoder().encode(JSON.stringify(manifest)) }),
    'manifest: name is "stage1-volo" and should be "stage1-volo-isolated"',
  );
});

Deno.test("an init of another making is a fault", async () => {
  const from = compileNative("init", TARGET.appc).bytes;
  from[from.length - 1]! ^= 1;
  await assertFault(
    changed("rootfs/init", { from }),
    "rootfs/init: it is not what this machine's compiler makes of image/init.c",
  );
});

Deno.test("a launcher of another making is a fault", async () => {
  const start = LAUNCHER.slice();
  start[start.length - 1]! ^= 1;
  await assertFault(
    changed("rootfs/run", { from: program(PERMISSIONS, start) }),
    "rootfs/run: its beginning is not what this machine's compiler makes of image/launcher.c",
  );
});

/** A correct image whose entrypoints use no code cache. */
function withoutCodeCaches(): Content[] {
  return contents().slice(0, MEMBERS.length).map((content) => {
    const { program: name } = content.member;
    const isEntrypoint = PROGRAMS.some((each) => each === name);
    return isEntrypoint ? { ...content, from: program(PERMISSIONS, LAUNCHER, "null") } : content;
  });
}

Deno.test("an image has code caches where its programs use them, and only there", async () => {
  assertEquals(await inspect(withoutCodeCaches()), "nothing");
  const unused = contents().slice(MEMBERS.length);
  await assertFault(
    [...withoutCodeCaches(), ...unused],
    "rootfs/code-cache/: does not belong in the image",
  );
  await assertFault(
    changed("rootfs/gc", { from: program(PERMISSIONS, LAUNCHER, "null") }),
    "rootfs/gc: it uses no code cache, as others do",
  );
});

Deno.test("a code cache of another making is a fault", async () => {
  const path = "rootfs/code-cache/deno-compile-enter.cache";
  const from = CODE_CACHE.slice(1);
  await assertFault(changed(path, { from }), `${path}: it is not what this source gives`);
});

Deno.test("a program with other code, or other settings, is a fault", async () => {
  const other = new TextEncoder().encode("what a stranger does!");
  const fault = "rootfs/gc: it is not what this source gives";
  for (const [key, code] of [[`${KEY}`, other], ["1", CODE]] as const) {
    const from = program(PERMISSIONS, LAUNCHER, key, code);
    await assertFault(changed("rootfs/gc", { from }), fault);
  }
  const { prompt, ...rest } = PERMISSIONS;
  await assertFault(changed("rootfs/gc", { from: program({ ...rest, prompt, more: 1 }) }), fault);
});

Deno.test("an archive that says more of its members is a fault", async () => {
  // An attribute, as a record of pax: rkt gives it to the file, and others pass it over.
  const withAttribute = async (image: string) => {
    const record = "42 SCHILY.xattr.security.capability=evil!\n";
    const { readable, controller } = createTarPacker();
    const written = new Response(readable).bytes();
    const header = {
      name: "x",
      type: "pax-header",
      size: record.length,
      mtime: new Date(0),
    } as const;
    const body = controller.add(header).getWriter();
    await body.write(new TextEncoder().encode(record));
    await body.close();
    controller.finalize();
    const attribute = (await written).subarray(0, 1024);
    await Deno.writeFile(image, concatenate([attribute, await Deno.readFile(image)]));
  };
  const found = await inspect(contents(), withAttribute);
  assertMatch(found, /: its archive has more than its members, or has them in another form$/);
  const more = await inspect(
    contents(),
    (image) => Deno.writeFile(image, new Uint8Array(512), { append: true }),
  );
  assertMatch(more, /: its archive has more than its members, or has them in another form$/);
});

Deno.test("another runtime is a fault", async () => {
  const from = RUNTIME.slice();
  from[from.length - 1]! ^= 1;
  const found = await inspect(changed("rootfs/denort", { from }));
  assertMatch(found, /rootfs\/denort: it has the sha256 \w{64} instead of \w{64}$/);
});

Deno.test("a program with other permissions is a fault", async () => {
  const from = program({ ...PERMISSIONS, allow_net: [] });
  await assertFault(
    changed("rootfs/gc", { from }),
    "rootfs/gc: it may net everything, and should nothing",
  );
});

Deno.test("a file that is no program, or one for another processor, is a fault", () => {
  const text = new TextEncoder().encode("#!/bin/sh");
  assertThrows(() => requireExecutable(text, TARGET), Error, "it is not an ELF file");
  assertThrows(
    () => requireExecutable(program(), architecture("aarch64")),
    Error,
    "it is for the machine 62 instead of 183 (aarch64)",
  );
});

Deno.test("fields that are absent or too many are named", () => {
  assertThrows(() => requireEqual({ a: [] }, { a: [1] }, []), Error, "a[0] is absent");
  assertThrows(() => requireEqual({ a: 1, b: 2 }, { a: 1 }, []), Error, "should be absent");
});

Deno.test("an image that is cut short is refused", async () => {
  const file = await Deno.makeTempFile();
  await writeImage(contents(), { output: file, compression: "none", date: new Date(0) });
  await Deno.truncate(file, 3000);
  await assertRejects(
    () => {
      const codeCache = () => Promise.resolve(CODE_CACHE);
      return inspectImage(file, {
        entry: "/nowhere",
        runtime: () => "",
        program: compiled,
        codeCache,
      });
    },
    Error,
    file,
  );
  await Deno.remove(file);
});
