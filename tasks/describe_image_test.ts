import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { existsSync } from "node:fs";
import { describeError } from "../src/stage1/entrypoint.ts";
import { writeImage } from "./aci.ts";
import { billFile, describeImages, provenanceFile } from "./describe_image.ts";
import { sha256 } from "./digest.ts";
import { architecture } from "./project.ts";
import { signatureFile } from "./signature.ts";
import { verifyDescription } from "./verify_description.ts";

const RUNTIME = new TextEncoder().encode("a runtime");

const file = (path: string, text: string) => ({
  member: { path, type: "file", mode: 0o644 } as const,
  from: new TextEncoder().encode(text),
});

const CONTENTS = [
  file("manifest", "{}"),
  { member: { path: "rootfs", type: "directory", mode: 0o755 } as const },
  file("rootfs/run", "a program"),
  file("rootfs/denort", "a runtime"),
];

const RECIPE = {
  compression: "none",
  architecture: architecture().appc,
  runtime: "own",
  sourceDateEpoch: 0,
} as const;

/** A described image, made once. */
const DESCRIBED = await withDirectory(async (image) => {
  await writeImage(CONTENTS, { output: image, compression: "none", date: new Date(0) });
  await describe(image);
  const files = [image, billFile(image), provenanceFile(image)];
  return await Promise.all(files.map((each) => Deno.readFile(each)));
});

async function withDirectory<T>(act: (image: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir();
  try {
    return await act(`${directory}/image.aci`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A described image that lasts as long as the test. */
async function withImage(test: (image: string) => Promise<void>): Promise<void> {
  await withDirectory(async (image) => {
    const files = [image, billFile(image), provenanceFile(image)];
    await Promise.all(files.map((each, i) => Deno.writeFile(each, DESCRIBED[i]!)));
    await test(image);
  });
}

function describe(path: string): Promise<void> {
  return describeImages([{ path, flavor: "host", contents: CONTENTS }], RECIPE);
}

function verify(image: string): Promise<string[]> {
  return verifyDescription(image, () => sha256(RUNTIME));
}

async function assertFault(image: string, message: RegExp): Promise<void> {
  assertMatch(describeError(await assertRejects(() => verify(image))), message);
}

async function change(file: string, from: string | RegExp, to: string): Promise<void> {
  const text = await Deno.readTextFile(file);
  assert(text.replace(from, to) !== text);
  await Deno.writeTextFile(file, text.replace(from, to));
}

/** esbuild keeps a thread for the next bundle; that is no leak. */
const SANITIZE = { sanitizeResources: false, sanitizeOps: false };

Deno.test("what describes an image is true, and remains as it is", SANITIZE, async () => {
  await withImage(async (image) => {
    assertEquals(await verify(image), []);
    await Deno.writeTextFile(signatureFile(provenanceFile(image)), "a signature");
    await describe(image);
    assert(existsSync(signatureFile(provenanceFile(image))));
  });
});

Deno.test("provenance that changes loses its signature", SANITIZE, async () => {
  await withImage(async (image) => {
    await Deno.writeTextFile(signatureFile(provenanceFile(image)), "a signature");
    await change(provenanceFile(image), "image.aci", "other.aci");
    await describe(image);
    assert(!existsSync(signatureFile(provenanceFile(image))));
  });
});

Deno.test("another image, or another bill, is a fault", SANITIZE, async () => {
  await withImage(async (image) => {
    await change(image, "a program", "a problem");
    await assertFault(image, /image\.aci: its sha256 is \w+, and its provenance says \w+$/);
  });
  await withImage(async (image) => {
    await change(billFile(image), "zod", "nod");
    await assertFault(image, /image\.aci\.cdx\.json: its sha256 is \w+, and its prov/);
  });
  await withImage(async (image) => {
    await change(provenanceFile(image), "image.aci", "other.aci");
    await assertFault(image, /image\.aci: its provenance is of other files$/);
  });
});

Deno.test("provenance without a sha512 is a fault", SANITIZE, async () => {
  await withImage(async (image) => {
    await change(provenanceFile(image), "sha512", "sha513");
    await assertFault(image, /its sha512 is \w+, and its provenance says nothing$/);
  });
});

Deno.test(
  "a bill that leaves something out is a fault, whatever vouches for it",
  SANITIZE,
  async () => {
    await withImage(async (image) => {
      const bill = JSON.parse(await Deno.readTextFile(billFile(image)));
      const without = { ...bill, components: bill.components.slice(1) };
      await Deno.writeTextFile(billFile(image), JSON.stringify(without));
      const provenance = JSON.parse(await Deno.readTextFile(provenanceFile(image)));
      const digest = async (algorithm: string) => {
        const bytes = await Deno.readFile(billFile(image));
        return new Uint8Array(await crypto.subtle.digest(algorithm, bytes)).toHex();
      };
      provenance.subject[1].digest = {
        sha256: await digest("SHA-256"),
        sha512: await digest("SHA-512"),
      };
      await Deno.writeTextFile(provenanceFile(image), JSON.stringify(provenance));
      await assertFault(image, /image\.aci\.cdx\.json: components\[0\]\..* should be/);
    });
  },
);

Deno.test("an image of other sources or with another runtime is a fault", SANITIZE, async () => {
  await withImage(async (image) => {
    await change(provenanceFile(image), /(?<="sources",\s+"digest": {\s+"sha256": ")\w/, "x");
    await assertFault(image, /image\.aci\.provenance\.json: sources: the image was made from sha/);
  });
  await withImage(async (image) => {
    const error = await assertRejects(() => verifyDescription(image, () => sha256("another")));
    assertMatch(describeError(error), /provenance\.json: denort: the image was made from sha/);
  });
});

Deno.test("another compiler is said", SANITIZE, async () => {
  await withImage(async (image) => {
    await change(provenanceFile(image), /(?<="gcc",\s+"digest": {\s+"sha256": ")\w{4}/, "beef");
    assertEquals(await verify(image), ["gcc"]);
  });
});
