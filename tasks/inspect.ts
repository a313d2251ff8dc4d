/**
 * The check that an image is what this source makes: its manifest, members, programs, permissions.
 *
 * @module
 */

import { createTarDecoder, type ParsedTarEntry, type TarHeader } from "modern-tar";
import { createHash } from "node:crypto";
import * as z from "zod/mini";
import type { ProgramName } from "../image/entrypoints.ts";
import { imageManifest } from "../image/manifest.ts";
import { CODE_CACHE_MEMBERS, type Member, MEMBERS } from "../image/members.ts";
import { compileNative, type NativeName } from "../image/native.ts";
import { formatPath, parseManifest } from "../src/appc/parse.ts";
import { withContext } from "../src/stage1/context.ts";
import { flavorOf } from "../src/stage1/flavor.ts";
import { type Content, digestImage, observe } from "./aci.ts";
import { openDecompressed } from "./compression.ts";
import { sha256 } from "./digest.ts";
import { codeCacheKey, embeddedMetadata, programStart } from "./payload.ts";
import { checkEmbedded, readPermissions } from "./permissions.ts";
import { type Architecture, architecture, VERSION } from "./project.ts";

/** The part of a manifest from which the rest of it follows. */
const Kind = z.object({
  labels: z.array(z.object({ name: z.string(), value: z.string() })),
  annotations: z.array(z.object({ name: z.string(), value: z.string() })),
});

/** The first bytes of an ELF file of 64 bits, little-endian: elf(5). */
const ELF_START = [0x7f, 0x45, 0x4c, 0x46, 2, 1];

const E_MACHINE_OFFSET = 18;

/** The values that an image is compared with, in addition to this source. */
export interface Expected {
  /** The directory of the entrypoints' tables of permissions. */
  readonly entry: string;
  /** Returns the SHA-256 of the runtime for a processor, in hexadecimal. */
  readonly runtime: (target: Architecture) => string;
  /** Makes an entrypoint, which uses a code cache or does not. */
  readonly program: (
    name: ProgramName,
    hasCodeCache: boolean,
    target: Architecture,
  ) => Promise<Uint8Array>;
  /** Makes the code cache of an entrypoint, for the key that it has. */
  readonly codeCache: (name: ProgramName, key: bigint, target: Architecture) => Promise<Uint8Array>;
}

/**
 * Checks an image's contents.
 *
 * @param image The image's file, compressed or not.
 * @returns The processor that the image is for.
 * @throws {Error} when the image differs; it names the first difference, in one line.
 */
export async function inspectImage(image: string, expected: Expected): Promise<Architecture> {
  try {
    return await inspectMembers(image, expected);
  } catch (cause) {
    throw new Error(image, { cause });
  }
}

async function inspectMembers(image: string, expected: Expected): Promise<Architecture> {
  const digest = createHash("sha512");
  const tar = (await openDecompressed(image)).pipeThrough(observe((chunk) => digest.update(chunk)));
  const entries = tar.pipeThrough(createTarDecoder({ strict: true }));
  const keys = new Map<string, bigint>();
  const contents: Content[] = [];
  let date = new Date(0);
  let target = architecture();
  for await (const found of entries) {
    const member = membersFor(keys)[contents.length];
    requireMember(found.header, member);
    const bytes = await readBody(found);
    contents.push({ member, from: bytes });
    date = found.header.mtime ?? date;
    const { path, program, codeCacheOf } = member;
    if (path === "manifest") target = inspectManifest(new TextDecoder().decode(bytes));
    if (program !== undefined) await inspectProgram(program, bytes, target, expected, keys);
    if (codeCacheOf !== undefined) {
      const key = requireKey(keys, codeCacheOf);
      requireSame(member, bytes, await expected.codeCache(codeCacheOf, key, target));
    }
  }
  const missing = membersFor(keys)[contents.length];
  if (missing !== undefined) throw new Error(`${missing.path}: is missing`);
  requireTar(digest.digest("hex"), await digestImage(contents, date));
  return target;
}

/** @param keys The keys of the entrypoints so far with a code cache. They precede their caches. */
function membersFor(keys: ReadonlyMap<string, bigint>): readonly Member[] {
  return keys.size === 0 ? MEMBERS : [...MEMBERS, ...CODE_CACHE_MEMBERS];
}

function requireKey(keys: ReadonlyMap<string, bigint>, program: string): bigint {
  const key = keys.get(program);
  if (key === undefined) throw new Error(`rootfs/${program}: it uses no code cache, as others do`);
  return key;
}

/**
 * Programs read an archive in different ways: what one of them passes over, such as an attribute or
 * a second name of a member, another one heeds.
 */
function requireTar(found: string, expected: string): void {
  if (found === expected) return;
  throw new Error("its archive has more than its members, or has them in another form");
}

function requireSame({ path }: Member, bytes: Uint8Array, expected: Uint8Array): void {
  withContext(path, () => requireSource(bytes, expected));
}

function requireSource(bytes: Uint8Array, expected: Uint8Array): void {
  if (!isSame(bytes, expected)) throw new Error("it is not what this source gives");
}

function isSame(bytes: Uint8Array, expected: Uint8Array): boolean {
  return bytes.length === expected.length && bytes.every((byte, i) => byte === expected[i]);
}

async function readBody({ header, body }: ParsedTarEntry): Promise<Uint8Array> {
  const bytes = new Uint8Array(header.size);
  let length = 0;
  for await (const chunk of body) {
    bytes.set(chunk, length);
    length += chunk.length;
  }
  return bytes;
}

/** Compares a member with the one that is expected at its place. */
function requireMember(found: TarHeader, expected?: Member): asserts expected is Member {
  if (expected === undefined) throw new Error(`${found.name}: does not belong in the image`);
  if (found.name.replace(/\/$/, "") !== expected.path) {
    throw new Error(`${found.name}: is where ${expected.path} should be`);
  }
  const checks = [
    ["type", found.type ?? "file", expected.type],
    ["mode", formatMode(found.mode), formatMode(expected.mode)],
    ["owner", `${found.uid}:${found.gid}`, "0:0"],
  ] as const;
  const wrong = checks.find(([, actual, wanted]) => actual !== wanted);
  if (wrong === undefined) return;
  const [what, actual, wanted] = wrong;
  throw new Error(`${expected.path}: its ${what} is ${actual} instead of ${wanted}`);
}

function formatMode(mode = 0): string {
  return mode.toString(8).padStart(4, "0");
}

/** Checks the manifest, and returns the processor that it names. */
function inspectManifest(text: string): Architecture {
  const { labels, annotations } = parseManifest(text, Kind, "manifest");
  const target = architecture(labels.find(({ name }) => name === "arch")?.value ?? "none");
  const flavor = flavorOf({ annotations });
  const expected = imageManifest({ version: VERSION, arch: target.appc, flavor });
  withContext("manifest", () => requireEqual(JSON.parse(text), expected, []));
  return target;
}

/**
 * Compares two JSON values.
 *
 * @throws {Error} when they differ; it has the path of the first difference, and both values there.
 */
export function requireEqual(found: unknown, expected: unknown, path: PropertyKey[]): void {
  if (isObject(found) && isObject(expected) && Array.isArray(found) === Array.isArray(expected)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(found)]);
    for (const key of keys) {
      const step = Array.isArray(expected) ? Number(key) : key;
      requireEqual(found[key], expected[key], [...path, step]);
    }
    return;
  }
  if (found === expected) return;
  const [is, should] = [found, expected].map((value) => JSON.stringify(value) ?? "absent");
  throw new Error(`${formatPath(path)} is ${is} and should be ${should}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

async function inspectProgram(
  name: NonNullable<Member["program"]>,
  bytes: Uint8Array,
  target: Architecture,
  expected: Expected,
  keys: Map<string, bigint>,
): Promise<void> {
  try {
    requireExecutable(bytes, target);
    if (name === "init") return requireNative("init", bytes, target);
    if (name === "denort") return requireDigest(bytes, expected.runtime(target));
    requireNative("launcher", programStart(bytes), target);
    const metadata = embeddedMetadata(bytes);
    checkEmbedded(metadata, await readPermissions(name, expected.entry));
    const key = codeCacheKey(metadata);
    requireSource(bytes, await expected.program(name, key !== undefined, target));
    if (key !== undefined) keys.set(name, key);
  } catch (cause) {
    throw new Error(`rootfs/${name}`, { cause });
  }
}

function requireDigest(bytes: Uint8Array, expected: string): void {
  const found = sha256(bytes);
  if (found !== expected) throw new Error(`it has the sha256 ${found} instead of ${expected}`);
}

function requireNative(name: NativeName, bytes: Uint8Array, target: Architecture): void {
  if (isSame(bytes, compileNative(name, target.appc).bytes)) return;
  const what = name === "launcher" ? "its beginning" : "it";
  throw new Error(`${what} is not what this machine's compiler makes of image/${name}.c`);
}

/**
 * Checks that a program can be executed on a processor.
 *
 * @throws {Error} when it is not an ELF file of 64 bits, or one for another processor.
 */
export function requireExecutable(program: Uint8Array, target: Architecture): void {
  const isElf = ELF_START.every((byte, index) => program[index] === byte);
  if (!isElf) throw new Error("it is not an ELF file of 64 bits");
  const machine = program[E_MACHINE_OFFSET]! | program[E_MACHINE_OFFSET + 1]! << 8;
  if (machine !== target.elf) {
    throw new Error(`it is for the machine ${machine} instead of ${target.elf} (${target.appc})`);
  }
}
