/**
 * Keys whose signatures rkt can verify.
 *
 * rkt's OpenPGP library is Go's of 2015–2020: RSA, version 4 packets, SHA-256 and SHA-512.
 *
 * @module
 */

import {
  type Config,
  decryptKey,
  enums,
  generateKey,
  type PrivateKey,
  type PublicKey,
  readKey,
  readPrivateKey,
} from "openpgp";
import { DIST } from "./project.ts";

/**
 * Options by which rkt's library can read keys and signatures, and these have no random notation.
 */
export const OLD_FORMAT: Partial<Config> = {
  aeadProtect: false,
  nonDeterministicSignaturesViaNotation: false,
  preferredHashAlgorithm: enums.hash.sha512,
  v6Keys: false,
};

/** The size of a key, in bits. */
const KEY_SIZE = 3072;

const BEGIN_ARMOR = "-----BEGIN PGP";

/**
 * Makes a key for the development of images: nobody else should trust it.
 *
 * @returns The private key, which has no passphrase.
 */
export async function generateDevelopmentKey(): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    type: "rsa",
    rsaBits: KEY_SIZE,
    userIDs: [{ name: "stage1-volo development key" }],
    subkeys: [],
    format: "object",
    config: OLD_FORMAT,
  });
  return privateKey;
}

/**
 * Reads a private key for signing, armored or binary.
 *
 * @param passphrase The passphrase of the key; `undefined` when it has none.
 * @throws {Error} when the file has no private key, when rkt could not verify the key's signatures,
 *   or when the passphrase is missing or wrong.
 */
export async function readSigningKey(file: string, passphrase?: string): Promise<PrivateKey> {
  try {
    const contents = await readArmorable(file);
    const key = await ("armored" in contents
      ? readPrivateKey({ armoredKey: contents.armored })
      : readPrivateKey({ binaryKey: contents.binary }));
    await requireRSA(key);
    return await unlock(key, passphrase);
  } catch (cause) {
    throw new Error(file, { cause });
  }
}

/**
 * Reads a public key for verifying, armored or binary.
 *
 * @throws {Error} when the file has no key.
 */
export async function readPublicKey(file: string): Promise<PublicKey> {
  try {
    const contents = await readArmorable(file);
    const key = await ("armored" in contents
      ? readKey({ armoredKey: contents.armored })
      : readKey({ binaryKey: contents.binary }));
    return key.toPublic();
  } catch (cause) {
    throw new Error(file, { cause });
  }
}

/** Returns the files of the development key's halves, in a directory. */
export function developmentKeyFiles(directory = DIST): { secret: string; public: string } {
  return {
    secret: `${directory}/development-key.asc`,
    public: `${directory}/development-key.pub.asc`,
  };
}

/** Lists the IDs of a key and its parts, as signatures name whoever made them. */
export function keyIds(key: PublicKey): string[] {
  return key.getKeyIDs().map((id) => id.toHex().toUpperCase());
}

/** Formats a key's fingerprint in groups of four, as people compare it. */
export function fingerprint(key: PublicKey): string {
  return key.getFingerprint().toUpperCase().match(/.{4}/g)!.join(" ");
}

async function readArmorable(file: string): Promise<{ armored: string } | { binary: Uint8Array }> {
  const binary = await Deno.readFile(file);
  const text = new TextDecoder().decode(binary);
  return text.includes(BEGIN_ARMOR) ? { armored: text } : { binary };
}

async function requireRSA(key: PrivateKey): Promise<void> {
  const signing = await key.getSigningKey();
  const { algorithm } = signing.getAlgorithmInfo();
  if (algorithm !== "rsaEncryptSign" && algorithm !== "rsaSign") {
    throw new Error(`its signing key is ${algorithm}, and rkt can verify RSA signatures only`);
  }
  if (signing.keyPacket.version !== 4) {
    throw new Error(
      `its signing key is of version ${signing.keyPacket.version}, and rkt reads 4 only`,
    );
  }
}

async function unlock(key: PrivateKey, passphrase: string | undefined): Promise<PrivateKey> {
  if (key.isDecrypted()) return key;
  if (passphrase === undefined) {
    throw new Error("it has a passphrase: put that in the variable VOLO_KEY_PASSPHRASE");
  }
  try {
    return await decryptKey({ privateKey: key, passphrase });
  } catch (cause) {
    throw new Error("VOLO_KEY_PASSPHRASE", { cause });
  }
}
