import { assert, assertEquals } from "@std/assert";
import * as z from "zod/mini";
import { ACIdentifier } from "../src/appc/names.ts";
import { flavorOf, FLAVORS } from "../src/stage1/flavor.ts";
import { PROGRAMS } from "./entrypoints.ts";
import { IMAGE_NAMES, imageManifest } from "./manifest.ts";
import { MEMBERS } from "./members.ts";

const MANIFEST = imageManifest({ version: "1.2.3", arch: "amd64", flavor: "host" });

Deno.test("the images' names are AC Identifiers, and differ", () => {
  const names = Object.values(IMAGE_NAMES);
  for (const name of names) assertEquals(z.parse(ACIdentifier(), name), name);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("an image says whether its pods have namespaces of their own", () => {
  for (const flavor of FLAVORS) {
    const manifest = imageManifest({ version: "1.2.3", arch: "amd64", flavor });
    assertEquals(flavorOf(manifest), flavor);
    assertEquals(manifest.name, IMAGE_NAMES[flavor]);
  }
});

Deno.test("the labels say version, processor and system", () => {
  assertEquals(MANIFEST.labels, [
    { name: "version", value: "1.2.3" },
    { name: "arch", value: "amd64" },
    { name: "os", value: "linux" },
  ]);
});

Deno.test("every entrypoint that the manifest names is an executable in the image", () => {
  const paths = MANIFEST.annotations.filter(({ value }) => value.startsWith("/"));
  assertEquals(paths.length, PROGRAMS.length);
  for (const { value } of paths) {
    const member = MEMBERS.find(({ path }) => path === `rootfs${value}`);
    assertEquals(member?.mode, 0o755);
    assertEquals(`/${member?.program}`, value);
  }
});

Deno.test("every member follows the directory that it is in", () => {
  MEMBERS.forEach(({ path }, index) => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const earlier = MEMBERS.slice(0, index);
    assert(parent === "" || earlier.some((member) => member.path === parent), path);
  });
});
