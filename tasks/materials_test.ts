import { assertEquals, assertThrows } from "@std/assert";
import { compareMaterials, type Material } from "./materials.ts";

const material = (name: string, sha256: string): Material => ({ name, digest: { sha256 } });
const RECORDED = [material("sources", "aa"), material("gcc", "bb")];

Deno.test("an image that was made from what is here differs in nothing", () => {
  assertEquals(compareMaterials(RECORDED, RECORDED), []);
});

Deno.test("other sources, packages or runtimes are an error", () => {
  assertThrows(
    () => compareMaterials(RECORDED, [material("sources", "cc"), material("gcc", "bb")]),
    Error,
    "sources: the image was made from sha256:aa, and here is sha256:cc",
  );
  const unknown = [{ name: "zod" }];
  assertThrows(() => compareMaterials([material("zod", "dd")], unknown), Error, "zod: ");
});

Deno.test("another compiler, and what only one of two machines has, is said", () => {
  const here = [material("sources", "aa"), material("gcc", "cc"), material("xz", "dd")];
  assertEquals(compareMaterials(RECORDED, here), ["gcc", "xz"]);
  assertEquals(compareMaterials([...RECORDED, material("commit", "ee")], RECORDED), ["commit"]);
});
