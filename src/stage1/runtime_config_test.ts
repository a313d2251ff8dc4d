import { assertEquals, assertThrows } from "@std/assert";
import { parseRunArguments, type RunArguments } from "./arguments.ts";
import { formatRuntimeConfig, loadDisabledIsolators } from "./runtime_config.ts";

const UUID = "6733c088-a507-4694-aabf-edbe4fc5266f";

/** In a directory of its own, as the record is where the program works. */
function inPodDirectory(test: () => void): void {
  const before = Deno.cwd();
  const directory = Deno.makeTempDirSync();
  Deno.chdir(directory);
  try {
    test();
  } finally {
    Deno.chdir(before);
    Deno.removeSync(directory, { recursive: true });
  }
}

function save(args: RunArguments): void {
  Deno.writeTextFileSync("runtime-config", formatRuntimeConfig(args));
}

Deno.test("enter learns which isolators the run was told to pass over", () => {
  inPodDirectory(() => {
    save(parseRunArguments([UUID]));
    assertEquals(loadDisabledIsolators(), { disableCapabilities: false, disableSeccomp: false });
    save(parseRunArguments(["--disable-seccomp", UUID]));
    assertEquals(loadDisabledIsolators(), { disableCapabilities: false, disableSeccomp: true });
    save(parseRunArguments(["--disable-capabilities-restriction", UUID]));
    assertEquals(loadDisabledIsolators(), { disableCapabilities: true, disableSeccomp: false });
  });
});

Deno.test("a record that is missing or broken disables nothing in silence", () => {
  inPodDirectory(() => {
    assertThrows(loadDisabledIsolators, Error, "runtime-config: cannot be read");
    Deno.writeTextFileSync("runtime-config", "{");
    assertThrows(loadDisabledIsolators, Error, "runtime-config: cannot be read");
    Deno.writeTextFileSync("runtime-config", '{"InsecureOptions":{"DisableSeccomp":"yes"}}');
    assertEquals(loadDisabledIsolators(), { disableCapabilities: false, disableSeccomp: false });
  });
});
