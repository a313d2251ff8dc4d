/**
 * A writer of App Container Images, which are compressed tars. The same members give the same
 * bytes.
 *
 * @module
 */

import { createTarPacker, type TarHeader, type TarPackController } from "modern-tar";
import { createHash } from "node:crypto";
import type { Member } from "../image/members.ts";
import { type Compression, compressor } from "./compression.ts";
import type { Progress } from "./console.ts";

/** A member with its contents. */
export interface Content {
  /** The member itself. */
  readonly member: Member;
  /** Its contents: bytes, or the file that has them. A directory has none. */
  readonly from?: Uint8Array | { readonly file: string };
}

/** The options of {@linkcode writeImage}. */
export interface ImageOptions {
  /** The image's file. It has this name only once it is complete. */
  readonly output: string;
  /** Its compression. */
  readonly compression: Compression;
  /** The modification time of its members. */
  readonly date: Date;
}

/**
 * Writes an image.
 *
 * @param progress Called with the number of bytes written of the members.
 * @returns The image's ID in rkt: `sha512-` and the digest of the uncompressed tar.
 * @throws {Error} when a member or the image cannot be read or written.
 */
export async function writeImage(
  contents: readonly Content[],
  options: ImageOptions,
  progress: Progress = () => {},
): Promise<string> {
  const sizes = await Promise.all(contents.map(sizeOf));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const { readable, controller } = createTarPacker();
  const digest = createHash("sha512");
  let done = 0;
  const observer = observe((chunk) => {
    digest.update(chunk);
    progress(Math.min(done += chunk.length, total), total);
  });
  const written = writeCompressed(readable.pipeThrough(observer), options);
  const packed = pack(controller, contents, sizes, options.date);
  await Promise.all([packed, written]);
  return `sha512-${digest.digest("hex")}`;
}

/**
 * Computes the digest of the tar that an image of these members is.
 *
 * @param date The modification time of its members.
 * @returns Its SHA-512, in hexadecimal.
 */
export async function digestImage(contents: readonly Content[], date: Date): Promise<string> {
  const sizes = await Promise.all(contents.map(sizeOf));
  const { readable, controller } = createTarPacker();
  const digest = createHash("sha512");
  const read = async () => {
    for await (const chunk of readable) digest.update(chunk);
  };
  await Promise.all([pack(controller, contents, sizes, date), read()]);
  return digest.digest("hex");
}

/**
 * Makes a stream that passes bytes on as they are.
 *
 * @param look Called with each piece.
 */
export function observe(
  look: (chunk: Uint8Array<ArrayBuffer>) => void,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(chunk, next) {
      look(chunk);
      next.enqueue(chunk);
    },
  });
}

async function pack(
  controller: TarPackController,
  contents: readonly Content[],
  sizes: readonly number[],
  date: Date,
): Promise<void> {
  try {
    for (const [index, content] of contents.entries()) {
      const body = controller.add(header(content.member, sizes[index]!, date));
      await (await open(content)).pipeTo(body);
    }
    controller.finalize();
  } catch (error) {
    controller.error(error);
    throw error;
  }
}

function header({ path, type, mode }: Member, size: number, mtime: Date): TarHeader {
  const name = type === "directory" ? `${path}/` : path;
  return { name, type, mode, size, mtime, uid: 0, gid: 0, uname: "root", gname: "root" };
}

async function sizeOf({ from }: Content): Promise<number> {
  if (from === undefined) return 0;
  return "file" in from ? (await Deno.stat(from.file)).size : from.length;
}

async function open({ from }: Content): Promise<ReadableStream<Uint8Array>> {
  if (from !== undefined && "file" in from) return (await Deno.open(from.file)).readable;
  return ReadableStream.from(from === undefined ? [] : [from]);
}

/**
 * Compresses a tar into the file of an image.
 *
 * @throws {Error} when the tar cannot be read, or the image written.
 */
export async function writeCompressed(
  tar: ReadableStream<Uint8Array<ArrayBuffer>>,
  { output, compression }: Pick<ImageOptions, "output" | "compression">,
): Promise<void> {
  const filter = compressor(compression);
  const unfinished = `${output}.part`;
  await Deno.writeFile(unfinished, filter === undefined ? tar : tar.pipeThrough(filter));
  await Deno.rename(unfinished, output);
}
