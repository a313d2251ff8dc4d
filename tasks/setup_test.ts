import { assert, assertEquals, assertThrows } from "@std/assert";
import { denoArguments, denoEnvironment, denoPath } from "./deno.mjs";
import { ROOT } from "./project.ts";
import { isStatic, kernelPackage, matchesLock, missingPackages, wantsAll } from "./setup.mjs";

const PLATFORM = { cpu: "x64", os: "linux" };
const ZOD = { version: "4.0.0", integrity: "sha512-a" };
const ARM = { version: "1.0.0", cpu: ["arm64"], os: ["linux"] };

Deno.test("an install of everything for this platform matches the lock", () => {
  const locked = { "": { version: "" }, "node_modules/zod": ZOD, "node_modules/arm": ARM };
  assert(matchesLock(locked, { "node_modules/zod": ZOD }, PLATFORM));
});

Deno.test("a missing, older or altered package does not match the lock", () => {
  const locked = { "node_modules/zod": ZOD };
  const older = { ...ZOD, version: "3.9.9" };
  const altered = { ...ZOD, integrity: "sha512-b" };
  assert(!matchesLock(locked, {}, PLATFORM));
  assert(!matchesLock(locked, { "node_modules/zod": older }, PLATFORM));
  assert(!matchesLock(locked, { "node_modules/zod": altered }, PLATFORM));
});

Deno.test("packages are named once for all that they lack", async () => {
  const empty = await Deno.makeTempDir();
  const expected = ["gnupg", "xz-utils", "busybox-static", "gcc", "util-linux", "mount"];
  assertEquals(missingPackages([empty]), expected);
  await Deno.remove(empty);
});

Deno.test("a program that needs the dynamic loader is not static", () => {
  assert(!isStatic(Deno.execPath()));
  assert(isStatic("/bin/busybox"));
});

Deno.test("what a virtual machine takes is brought only when it is asked for", () => {
  assert(wantsAll({ VOLO_ALL: "1" }));
  assert(wantsAll({ CI: "true" }));
  assert(wantsAll({ VOLO_ALL: "0", CI: "1" }));
  assert(!wantsAll({ VOLO_ALL: "", CI: "false" }));
  assertThrows(() => wantsAll({ VOLO_ALL: "yes" }), Error, 'VOLO_ALL: "yes" is not 1');
});

Deno.test("the set-up prints its help, and refuses all else, before it installs anything", () => {
  const setUp = (args: string[], env = {}) => {
    const options = { args: [`${ROOT}/tasks/setup.mjs`, ...args], env };
    const { code, stdout, stderr } = new Deno.Command("node", options).outputSync();
    const decoder = new TextDecoder();
    return [code, ...[stdout, stderr].map((text) => decoder.decode(text).split("\n")[0])];
  };
  const usage = "Usage: node tasks/setup.mjs";
  assertEquals(setUp(["--help"]), [0, usage, ""]);
  assertEquals(setUp(["--al"]), [2, "", "setup: --al: there is no such option or argument"]);
  const wrong = 'setup: VOLO_ALL: "yes" is not 1, for all tests, or 0';
  assertEquals(setUp([], { VOLO_ALL: "yes" }), [1, "", wrong]);
});

Deno.test("a task of Deno's is run without Deno's own lines, and all else as it is", () => {
  assertEquals(denoArguments(["task", "ok"]), ["task", "--quiet", "ok"]);
  assertEquals(denoArguments(["fmt", "-q"]), ["fmt", "-q"]);
  assertEquals(denoArguments(["task", "--quiet", "ok"]), ["task", "--quiet", "ok"]);
  assertEquals(denoArguments([]), []);
});

Deno.test("the kernel is the one that Debian's name for the newest stands for", () => {
  const text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
  assertEquals(kernelPackage(text), "linux-image-6.1.0-56-cloud-amd64");
  assertThrows(() => kernelPackage("linux-image-cloud-amd64\n"), Error, "no Debian kernel");
});

Deno.test("Deno comes from its platform package, and its settings can be overridden", () => {
  assertEquals(denoPath("/p", "arm64"), "/p/node_modules/@deno/linux-arm64-glibc/deno");
  const given = { DENO_DIR: "/elsewhere", RUST_BACKTRACE: "1" };
  const environment = denoEnvironment(given, "/p");
  assertEquals(environment, { DENO_DIR: "/elsewhere", DENO_NO_UPDATE_CHECK: "1" });
});
