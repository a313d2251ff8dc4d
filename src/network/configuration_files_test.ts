import "../linux/libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { networkDirectory } from "../plan/network/networks.ts";
import { readConfigurationFiles } from "./configuration_files.ts";

Deno.test("configurations are files that end in .conf or .conflist, in the order of their names", () => {
  const directory = Deno.makeTempDirSync({ prefix: "volo-net.d-" });
  try {
    for (const name of ["9.conf", "10.conflist", "a.conf", "conf", "b.conf~", "ptp"]) {
      Deno.writeTextFileSync(`${directory}/${name}`, `text of ${name}`);
    }
    Deno.mkdirSync(`${directory}/c.conf`);
    assertEquals(readConfigurationFiles(directory), [
      { path: `${directory}/10.conflist`, text: "text of 10.conflist" },
      { path: `${directory}/9.conf`, text: "text of 9.conf" },
      { path: `${directory}/a.conf`, text: "text of a.conf" },
    ]);
    Deno.symlinkSync("nowhere", `${directory}/d.conf`);
    assertThrows(() => readConfigurationFiles(directory), Error, `${directory}/d.conf`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("there need be no configurations", () => {
  assertEquals(readConfigurationFiles("/nowhere/net.d"), []);
});

Deno.test("configurations are below rkt's local configuration", () => {
  assertEquals(networkDirectory("/etc/rkt"), "/etc/rkt/net.d");
});
