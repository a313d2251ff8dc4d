import { assertEquals, assertThrows } from "@std/assert";
import { requireRuntime } from "./own_runtime.ts";
import { architecture } from "./project.ts";
import { provideRuntime } from "./runtime.ts";

const HERE = architecture();
const RUNTIME = await provideRuntime({ architecture: HERE, own: "" });

function refusal(file: string, target = HERE, version?: string): string {
  return assertThrows(() => requireRuntime(file, target, version), Error).message;
}

Deno.test("Deno's runtime is one", () => {
  requireRuntime(RUNTIME, HERE);
});

Deno.test("what is no runtime is refused, and said to be what it is", () => {
  const end = "and no runtime of Deno's (denort)";
  assertEquals(refusal("/bin/true"), `/bin/true: is another program, ${end}`);
  assertEquals(refusal("/etc/passwd"), `/etc/passwd: is not an ELF program, ${end}`);
  assertEquals(refusal("/dev/null"), `/dev/null: is not an ELF program, ${end}`);
  assertEquals(refusal(Deno.execPath()), `${Deno.execPath()}: is another program, ${end}`);
});

Deno.test("a runtime of another version or processor is refused", () => {
  assertEquals(refusal(RUNTIME, HERE, "0.99.7").includes("is not of version 0.99.7"), true);
  const other = architecture(HERE.appc === "amd64" ? "aarch64" : "amd64");
  assertEquals(refusal(RUNTIME, other).includes("is for another processor than"), true);
});

Deno.test("a compiled program is no runtime, though it begins with one", async () => {
  const file = await Deno.makeTempFile();
  try {
    const trailer = new Uint8Array(24);
    const view = new DataView(trailer.buffer);
    view.setUint32(8, 0x501e, true);
    view.setBigUint64(16, 24n, true);
    await Deno.copyFile(RUNTIME, file);
    await Deno.writeFile(file, trailer, { append: true });
    assertEquals(refusal(file).includes("is a program that deno compile has made"), true);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("a user's own runtime wins, and is checked before it is used", async () => {
  const error = await provideRuntime({ architecture: HERE, own: "/bin/true" }).catch((it) => it);
  assertEquals(error.message, "DENORT_BIN");
  assertEquals(await provideRuntime({ architecture: HERE, own: RUNTIME }), RUNTIME);
});
