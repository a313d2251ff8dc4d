/**
 * Detached signatures of images, in `IMAGE.asc`, where rkt looks for them.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  createMessage,
  enums,
  type PrivateKey,
  type PublicKey,
  readSignature,
  sign,
  type Signature,
  verify,
} from "openpgp";
import { fingerprint, keyIds, OLD_FORMAT } from "./keys.ts";

/** The hash algorithms of rkt's OpenPGP library that are still secure. */
const HASHES: readonly number[] = [enums.hash.sha256, enums.hash.sha512];

const RSA: readonly number[] = [enums.publicKey.rsaEncryptSign, enums.publicKey.rsaSign];

/** Returns the file of an image's signature. */
export function signatureFile(image: string): string {
  return `${image}.asc`;
}

/**
 * Signs an image, into its {@linkcode signatureFile}.
 *
 * @throws {Error} when the image cannot be read or the signature not be written.
 */
export async function signImage(image: string, key: PrivateKey): Promise<void> {
  const { readable } = await Deno.open(image);
  const signature = await sign({
    message: await createMessage({ binary: readable as ReadableStream<Uint8Array> }),
    signingKeys: key,
    detached: true,
    format: "armored",
    config: OLD_FORMAT,
  });
  const parts = await Array.fromAsync(signature as unknown as ReadableStream<string>);
  await Deno.writeTextFile(signatureFile(image), parts.join(""));
}

/** Removes the signature, if there is one, of an image that is about to change. */
export async function discardSignature(image: string): Promise<void> {
  try {
    await Deno.remove(signatureFile(image));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Verifies an image's signature, and checks that rkt could verify it, too.
 *
 * @throws {Error} when there is no signature, when it is not of this image and key, or when it has
 *   a form that rkt cannot read.
 */
export async function verifyImageSignature(image: string, key: PublicKey): Promise<void> {
  const file = signatureFile(image);
  try {
    const signature = await parse(image);
    requireReadable(signature);
    requireSigner(signature, key);
    await requireValid(image, signature, key);
  } catch (cause) {
    throw new Error(file, { cause });
  }
}

/**
 * Lists the IDs of the keys that a file's signature names as its makers; none when the signature
 * cannot be read.
 *
 * @returns The IDs; `undefined` when there is no signature.
 */
export async function readSigners(file: string): Promise<string[] | undefined> {
  if (!existsSync(signatureFile(file))) return undefined;
  const signature = await parse(file).catch(() => undefined);
  return signature?.getSigningKeyIDs().map((id) => id.toHex().toUpperCase()) ?? [];
}

/** The hash functions of signatures, by their numbers in OpenPGP. */
const HASH_NAMES = new Map([[enums.hash.sha256, "sha256"], [enums.hash.sha512, "sha512"]]);

/**
 * Tells whether a signature can be a file's, as far as that can be said without the key: a
 * signature has the first two bytes of the digest that was signed (RFC 4880, section 5.2.3).
 *
 * @throws {Error} when the file cannot be read.
 */
export async function isSignatureOf(file: string): Promise<boolean> {
  const packet = [...(await parse(file).catch(() => undefined))?.packets ?? []][0];
  if (packet?.version !== 4) return false;
  const bytes = packet.write();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const signed = bytes.subarray(0, 6 + view.getUint16(4));
  const start = signed.length + 2 + view.getUint16(signed.length);
  const algorithm = HASH_NAMES.get(bytes[3]!);
  if (algorithm === undefined) return false;
  const hash = createHash(algorithm);
  for await (const chunk of (await Deno.open(file)).readable) hash.update(chunk);
  const trailer = new DataView(new ArrayBuffer(6));
  trailer.setUint16(0, 0x04ff);
  trailer.setUint32(2, signed.length);
  const digest = hash.update(signed).update(new Uint8Array(trailer.buffer)).digest();
  return digest[0] === bytes[start] && digest[1] === bytes[start + 1];
}

async function parse(file: string): Promise<Signature> {
  return await readSignature({ armoredSignature: await readText(signatureFile(file)) });
}

async function readText(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (cause) {
    throw new Error("there is no signature (the task sign makes one)", { cause });
  }
}

function requireReadable(signature: Signature): void {
  const packets = [...signature.packets];
  if (packets.length !== 1) throw new Error(`it has ${packets.length} signatures instead of one`);
  const { version, publicKeyAlgorithm, hashAlgorithm } = packets[0]!;
  if (version !== 4) throw new Error(`it is of version ${version}, and rkt reads 4 only`);
  if (!RSA.includes(publicKeyAlgorithm ?? -1)) throw new Error("rkt can verify RSA only");
  if (!HASHES.includes(hashAlgorithm ?? -1)) throw new Error("its hash is not SHA-256 or SHA-512");
}

function requireSigner(signature: Signature, key: PublicKey): void {
  const [signer] = signature.getSigningKeyIDs().map((id) => id.toHex().toUpperCase());
  if (signer === undefined || keyIds(key).includes(signer)) return;
  throw new Error(
    `it is by key ${signer}, and not by ${fingerprint(key)}: --key=FILE names another`,
  );
}

async function requireValid(image: string, signature: Signature, key: PublicKey): Promise<void> {
  const { readable } = await Deno.open(image);
  const result = await verify({
    message: await createMessage({ binary: readable as ReadableStream<Uint8Array> }),
    signature,
    verificationKeys: key,
    format: "binary",
  });
  // The signature is verified only when the whole image has been read.
  const contents = result.data as unknown as ReadableStream<Uint8Array>;
  await contents.pipeTo(new WritableStream());
  await result.signatures[0]!.verified;
}
