import { assertEquals, assertThrows } from "@std/assert";
import { buildPackages, lockedPackage, packageUrl, runtimePackage } from "./package_lock.ts";

const SHA512 = "00ff".repeat(32);

const ENTRIES = {
  "": { version: "0.1.0" },
  "node_modules/zod": {
    version: "4.6.7",
    license: "MIT",
    integrity: `sha512-${Uint8Array.fromHex(SHA512).toBase64()}`,
  },
  "node_modules/@esbuild/linux-x64": { version: "1.0.0", cpu: ["x64"], os: ["linux"] },
  "node_modules/@esbuild/linux-arm64": { version: "1.0.0", cpu: ["arm64"], os: ["linux"] },
  "node_modules/@esbuild/darwin-x64": { version: "1.0.0", cpu: ["x64"], os: ["darwin"] },
  "node_modules/@stdy/cli-linux-x64": { version: "0.22.2", cpu: ["x64"], os: ["linux"] },
  "node_modules/fast-check": { version: "4.0.0", dev: true },
};

Deno.test("what builds is for this machine, and neither for tests nor a runtime", () => {
  const names = buildPackages({ cpu: "x64", os: "linux" }, ENTRIES).map(({ name }) => name);
  assertEquals(names, ["zod", "@esbuild/linux-x64"]);
});

Deno.test("a package has the digest of its archive, if the lock file knows it", () => {
  assertEquals(lockedPackage("zod", ENTRIES), {
    name: "zod",
    version: "4.6.7",
    license: "MIT",
    sha512: SHA512,
  });
  assertEquals(lockedPackage(runtimePackage("x64"), ENTRIES).sha512, undefined);
});

Deno.test("a package that is not locked is an error", () => {
  assertThrows(() => lockedPackage("left-pad", ENTRIES), Error, "left-pad is not in it");
});

Deno.test("the package URL of a scope has its @ encoded", () => {
  const url = packageUrl(lockedPackage("@stdy/cli-linux-x64", ENTRIES));
  assertEquals(url, "pkg:npm/%40stdy/cli-linux-x64@0.22.2");
});

Deno.test("the packages of this project's lock file have digests", () => {
  const packages = buildPackages({ cpu: "x64", os: "linux" });
  assertEquals(packages.filter(({ sha512 }) => sha512?.length !== 128), []);
});
