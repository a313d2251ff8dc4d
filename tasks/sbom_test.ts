import { assertEquals } from "@std/assert";
import { type BilledImage, billOfMaterials } from "./sbom.ts";

const ZOD = { name: "zod", version: "4.6.7", license: "MIT", sha512: "12".repeat(64) };
const CARRIER = { name: "@stdy/cli", version: "0.22.2", license: "MIT", sha512: undefined };
const SUM = "ab".repeat(32);

const IMAGE: BilledImage = {
  name: "stage1-volo",
  version: "0.1.0",
  architecture: "amd64",
  digest: { sha256: "0123456789abcdef".repeat(4), sha512: "34".repeat(64) },
  files: [
    { path: "rootfs/run", sha256: SUM, needs: ["rootfs/denort"], packages: [ZOD] },
    { path: "rootfs/enter", sha256: SUM, needs: ["rootfs/denort"], packages: [ZOD] },
    { path: "rootfs/init", sha256: SUM },
    {
      path: "rootfs/denort",
      sha256: SUM,
      runtime: { versions: { deno: "2.7.11", v8: "14.7.173.7-rusty" }, carrier: CARRIER },
    },
  ],
};

/** What the bill says each component is made from. */
function dependencies(bill: string): Record<string, string[]> {
  const { dependencies } = JSON.parse(bill);
  return Object.fromEntries(
    dependencies.map(({ ref, dependsOn = [] }: { ref: string; dependsOn?: string[] }) => [
      ref,
      dependsOn,
    ]),
  );
}

Deno.test("a bill names every file, and what is in it", () => {
  assertEquals(dependencies(billOfMaterials(IMAGE)), {
    "stage1-volo": ["rootfs/denort", "rootfs/enter", "rootfs/init", "rootfs/run"],
    "rootfs/run": ["pkg:npm/zod@4.6.7", "rootfs/denort"],
    "rootfs/enter": ["pkg:npm/zod@4.6.7", "rootfs/denort"],
    "rootfs/init": [],
    "rootfs/denort": ["deno"],
    "pkg:npm/zod@4.6.7": [],
    deno: ["v8"],
    v8: [],
  });
});

Deno.test("a bill says where what came from others is from", () => {
  const { components } = JSON.parse(billOfMaterials(IMAGE));
  const find = (wanted: string) => components.find(({ name }: { name: string }) => name === wanted);
  assertEquals(find("zod").externalReferences[0], {
    type: "distribution",
    url: "https://registry.npmjs.org/zod/-/zod-4.6.7.tgz",
    hashes: [{ alg: "SHA-512", content: ZOD.sha512 }],
  });
  const [carrier] = find("deno").externalReferences;
  assertEquals(carrier.url, "https://registry.npmjs.org/@stdy/cli/-/cli-0.22.2.tgz");
  assertEquals(find("deno").cpe, "cpe:2.3:a:deno:deno:2.7.11:*:*:*:*:*:*:*");
  assertEquals(find("v8").version, "14.7.173.7");
});

Deno.test("of a runtime of the user's own, no version is claimed", () => {
  const runtime = { versions: undefined, carrier: undefined };
  const files = [{ path: "rootfs/denort", sha256: SUM, runtime }];
  const { components } = JSON.parse(billOfMaterials({ ...IMAGE, files }));
  const names = components.map(({ name }: { name: string }) => name);
  assertEquals(names, ["deno", "rootfs/denort"]);
  assertEquals([components[0].version, components[0].purl, components[0].cpe], [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("the same image has the same bill, whatever the order of its files and the time", () => {
  const bill = billOfMaterials(IMAGE);
  assertEquals(billOfMaterials({ ...IMAGE, files: IMAGE.files.toReversed() }), bill);
  const { serialNumber, metadata } = JSON.parse(bill);
  assertEquals(serialNumber, "urn:uuid:01234567-89ab-8def-8123-456789abcdef");
  assertEquals(metadata.timestamp, undefined);
});
