import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { encryptKey, generateKey } from "openpgp";
import { generateDevelopmentKey, readPublicKey, readSigningKey } from "./keys.ts";
import { signWithDevelopmentKey } from "./sign.ts";
import { discardSignature, signatureFile, signImage, verifyImageSignature } from "./signature.ts";

const KEY = await generateDevelopmentKey();

/** A small image to sign, in a directory that lasts as long as the test. */
async function withImage(test: (image: string, directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/image.aci`, "an image");
    await test(`${directory}/image.aci`, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function gpg(home: string, ...args: string[]): Promise<string> {
  const options = { args: ["--homedir", home, "--batch", ...args] };
  const { success, stdout, stderr } = await new Deno.Command("gpg", options).output();
  const text = new TextDecoder().decode(stderr);
  assert(success, text);
  return text + new TextDecoder().decode(stdout);
}

Deno.test("gpg agrees with the signature", async () => {
  await withImage(async (image, directory) => {
    await signImage(image, KEY);
    await Deno.writeTextFile(`${directory}/key.asc`, KEY.toPublic().armor());
    await Deno.mkdir(`${directory}/gnupg`, { mode: 0o700 });
    await gpg(`${directory}/gnupg`, "--import", `${directory}/key.asc`);
    const verdict = await gpg(`${directory}/gnupg`, "--verify", signatureFile(image), image);
    assertMatch(verdict, /Good signature from "stage1-volo development key"/);
  });
});

Deno.test("the signature is in the format that rkt's library reads", async () => {
  await withImage(async (image, directory) => {
    await signImage(image, KEY);
    const packets = await gpg(directory, "--list-packets", signatureFile(image));
    assertMatch(packets, /^:signature packet: algo 1,/m);
    assertMatch(packets, /^\tversion 4,/m);
    assertMatch(packets, /^\tdigest algo 10,/m);
    // The time of the signature is the one critical subpacket that every library knows.
    const critical = packets.match(/critical hashed subpkt \d+/g);
    assertEquals(critical, ["critical hashed subpkt 2"]);
  });
});

Deno.test("a good signature is accepted, and one of another image or key refused", async () => {
  await withImage(async (image) => {
    await signImage(image, KEY);
    await verifyImageSignature(image, KEY.toPublic());
    const other = (await generateDevelopmentKey()).toPublic();
    await assertRejects(() => verifyImageSignature(image, other), Error, signatureFile(image));
    await Deno.writeTextFile(image, "another image");
    await assertRejects(() => verifyImageSignature(image, KEY.toPublic()), Error);
  });
});

Deno.test("a signature that was discarded is missed by name", async () => {
  await withImage(async (image) => {
    await signImage(image, KEY);
    await discardSignature(image);
    await discardSignature(image);
    const verify = () => verifyImageSignature(image, KEY.toPublic());
    await assertRejects(verify, Error, signatureFile(image));
  });
});

Deno.test("the development key is made once, and is for its owner only", async () => {
  await withImage(async (image, directory) => {
    const first = await signWithDevelopmentKey(image, directory);
    const second = await signWithDevelopmentKey(image, directory);
    assertEquals(first.getFingerprint(), second.getFingerprint());
    const { mode } = await Deno.stat(`${directory}/development-key.asc`);
    assertEquals(mode! & 0o777, 0o600);
    const key = await readPublicKey(`${directory}/development-key.pub.asc`);
    assert(!key.isPrivate());
    await verifyImageSignature(image, key);
  });
});

Deno.test("a key that is not RSA is refused with the reason", async () => {
  await withImage(async (_, directory) => {
    const userIDs = [{ name: "somebody" }];
    const { privateKey } = await generateKey({ type: "ecc", userIDs, format: "armored" });
    await Deno.writeTextFile(`${directory}/key.asc`, privateKey);
    const error = await assertRejects(() => readSigningKey(`${directory}/key.asc`), Error);
    assertEquals(error.message, `${directory}/key.asc`);
    assertMatch((error.cause as Error).message, /is eddsa.*rkt can verify RSA signatures only/);
  });
});

Deno.test("a key with a passphrase needs it", async () => {
  await withImage(async (_, directory) => {
    const file = `${directory}/key.pgp`;
    const locked = await encryptKey({ privateKey: KEY, passphrase: "sesame" });
    await Deno.writeFile(file, locked.write());
    const error = await assertRejects(() => readSigningKey(file), Error);
    assertMatch((error.cause as Error).message, /VOLO_KEY_PASSPHRASE/);
    const wrong = await assertRejects(() => readSigningKey(file, "wrong"), Error);
    assertEquals((wrong.cause as Error).message, "VOLO_KEY_PASSPHRASE");
    assert((await readSigningKey(file, "sesame")).isDecrypted());
  });
});
