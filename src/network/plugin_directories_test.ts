import "../linux/libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { locatePlugin, pluginDirectories } from "./plugin_directories.ts";

function inTempDir(act: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "volo-plugins-" });
  try {
    act(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("plugins are looked for in the places that rkt has, in its order", () => {
  assertEquals(pluginDirectories("/etc/rkt/"), [
    "/etc/rkt/net.d",
    "/usr/lib/rkt/plugins/net",
    "stage1/rootfs/usr/lib/rkt/plugins/net",
  ]);
});

Deno.test("the first program of a name is the plugin; links are followed", () => {
  inTempDir((directory) => {
    const [a, b, c] = ["a", "b", "c"].map((name) => `${directory}/${name}`) as [
      string,
      string,
      string,
    ];
    [a, b, c].forEach((each) => Deno.mkdirSync(each));
    Deno.mkdirSync(`${a}/ptp`);
    Deno.writeTextFileSync(`${a}/bridge`, "", { mode: 0o644 });
    Deno.symlinkSync(`${c}/bridge`, `${b}/bridge`);
    Deno.symlinkSync("nowhere", `${b}/ptp`);
    for (const name of ["ptp", "bridge"]) {
      Deno.writeTextFileSync(`${c}/${name}`, "", { mode: 0o755 });
    }
    assertEquals(locatePlugin("ptp", [a, `${directory}/none`, b, c]), `${c}/ptp`);
    assertEquals(locatePlugin("bridge", [a, b, c]), `${b}/bridge`);
  });
});

Deno.test("a plugin that is nowhere is named, with every place and what to install", () => {
  assertThrows(
    () => locatePlugin("odd", ["/no/a", "/no/b"]),
    Error,
    'no plugin "odd" in /no/a, /no/b, /opt/cni/bin, /usr/lib/cni, /usr/libexec/cni: install',
  );
});
