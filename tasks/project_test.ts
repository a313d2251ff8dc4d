import { assertEquals, assertThrows } from "@std/assert";
import { STAGE1_VERSION } from "../src/stage1/command_line.ts";
import { architecture, ARCHITECTURES, IMAGES, imagesFor, sourceDate, VERSION } from "./project.ts";

Deno.test("an architecture is found by its appc name, and this machine's without one", () => {
  assertEquals(architecture("aarch64").npm, "arm64");
  assertEquals(architecture().deno, Deno.build.arch);
  assertThrows(() => architecture("mips"), Error, "architecture mips: the image is built for");
});

Deno.test("images for another processor do not replace this machine's", () => {
  const other = ARCHITECTURES.find(({ deno }) => deno !== Deno.build.arch)!;
  assertEquals(imagesFor(architecture()), IMAGES);
  assertEquals(imagesFor(other).host, IMAGES.host.replace(/[^/]+$/, `${other.appc}/$&`));
});

Deno.test("SOURCE_DATE_EPOCH dates the image", () => {
  assertEquals(sourceDate("86400").toISOString(), "1970-01-02T00:00:00.000Z");
  assertEquals(sourceDate(undefined), sourceDate(undefined));
  assertThrows(() => sourceDate("yesterday"), Error, "SOURCE_DATE_EPOCH");
});

Deno.test("the version is one that an image label can have", () => {
  assertEquals(/^\d+\.\d+\.\d+$/.test(VERSION), true);
});

Deno.test("entrypoints tell the project's version", () => {
  assertEquals(STAGE1_VERSION, VERSION);
});
