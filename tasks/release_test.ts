/** What becomes of an image that a release key has signed, when it is made again. */

import { assertEquals, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import { generateDevelopmentKey, keyIds } from "./keys.ts";
import { holdRelease, settleRelease, signaturesOfOthers } from "./release.ts";
import { signWithDevelopmentKey } from "./sign.ts";
import { discardSignature, isSignatureOf, signImage, verifyImageSignature } from "./signature.ts";

const RELEASE_KEY = await generateDevelopmentKey();
const OTHER_KEY = await generateDevelopmentKey();
const BY = `key ${keyIds(RELEASE_KEY)[0]}`;

/** An image and its provenance, both signed for a release. */
async function withRelease(
  test: (image: string, provenance: string, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const [image, provenance] = [`${directory}/a.aci`, `${directory}/a.aci.provenance.json`];
  try {
    for (const file of [image, provenance]) {
      await Deno.writeTextFile(file, `contents of ${file}`);
      await signImage(file, RELEASE_KEY);
    }
    await test(image, provenance, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function copiesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => name.startsWith("signed-")).map((name) => `${directory}/${name}`);
}

/** Writes a file as a build does: the signature of a file that is written goes first. */
async function write(file: string, text: string): Promise<void> {
  await discardSignature(file);
  await Deno.writeTextFile(file, text);
}

Deno.test("a signature can be a file's only if it is of these bytes", async () => {
  await withRelease(async (image) => {
    assertEquals(await isSignatureOf(image), true);
    await Deno.writeTextFile(image, "other contents");
    assertEquals(await isSignatureOf(image), false);
    await Deno.writeTextFile(`${image}.asc`, "no signature");
    assertEquals(await isSignatureOf(image), false);
  });
});

Deno.test("the development key does not sign what a release key has signed", async () => {
  await withRelease(async (image, provenance, directory) => {
    await discardSignature(provenance);
    const key = await signWithDevelopmentKey(image, directory);
    await verifyImageSignature(image, RELEASE_KEY.toPublic());
    await verifyImageSignature(provenance, key.toPublic());
    assertEquals(await signaturesOfOthers(image, keyIds(key)), [{ file: image, by: BY }]);
  });
});

Deno.test("an image that comes out the same keeps its release signatures", async () => {
  await withRelease(async (image, provenance, directory) => {
    const release = await holdRelease(image, keyIds(OTHER_KEY));
    for (const file of [image, provenance]) await write(file, await Deno.readTextFile(file));
    await settleRelease(release!);
    for (const file of [image, provenance]) {
      await verifyImageSignature(file, RELEASE_KEY.toPublic());
    }
    assertEquals(copiesIn(directory), []);
  });
});

Deno.test("an image that comes out differently is kept as it was signed", async () => {
  await withRelease(async (image, provenance, directory) => {
    const release = await holdRelease(image, []);
    await write(image, "another image");
    await settleRelease(release!);
    assertEquals(existsSync(`${image}.asc`), false);
    await verifyImageSignature(provenance, RELEASE_KEY.toPublic());
    const [copy, ...more] = copiesIn(directory);
    assertEquals(more, []);
    await verifyImageSignature(`${copy}/a.aci`, RELEASE_KEY.toPublic());
    await verifyImageSignature(`${copy}/a.aci.provenance.json`, RELEASE_KEY.toPublic());
  });
});

Deno.test("a signature that is not the image's does not stay with it, and is not lost", async () => {
  await withRelease(async (image, _, directory) => {
    await Deno.writeTextFile(image, "an image in the place of the signed one");
    await settleRelease((await holdRelease(image, []))!);
    assertEquals(existsSync(`${image}.asc`), false);
    assertEquals(existsSync(`${copiesIn(directory)[0]}/a.aci.asc`), true);
  });
});

Deno.test("nothing is kept of what keys of one's own have signed, or nobody", async () => {
  await withRelease(async (image, provenance, directory) => {
    assertEquals(await holdRelease(image, keyIds(RELEASE_KEY)), undefined);
    for (const file of [image, provenance]) await discardSignature(file);
    assertEquals(await holdRelease(image, []), undefined);
    assertEquals(copiesIn(directory), []);
  });
});

Deno.test("who verifies with another key is told whose signature it is", async () => {
  await withRelease(async (image) => {
    const error = await verifyImageSignature(image, OTHER_KEY.toPublic()).catch((it) => it);
    assertMatch(error.cause.message, new RegExp(`^it is by ${BY}, and not by .* --key=FILE`));
  });
});
