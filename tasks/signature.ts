/**
 * Detached signatures of images, in `IMAGE.asc`, where rkt looks for them.
 *
 * @module
 */

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
import { OLD_FORMAT } from "./keys.ts";

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
    const signature = await readSignature({ armoredSignature: await readText(file) });
    requireReadable(signature);
    await requireValid(image, signature, key);
  } catch (cause) {
    throw new Error(file, { cause });
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (cause) {
    throw new Error("there is no signature (deno task sign makes one)", { cause });
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
