import { assertEquals, assertThrows } from "@std/assert";
import { parseRunArguments, type RunArguments } from "./arguments.ts";
import {
  formatRuntimeConfig,
  loadDisabledIsolators,
  loadRun,
  type NetworkFindings,
  parseRuntimeConfig,
} from "./runtime_config.ts";

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

const NETWORK: NetworkFindings = { hostIP: undefined, hasResolvConf: false };

function save(args: RunArguments, network = NETWORK): void {
  Deno.writeTextFileSync("runtime-config", formatRuntimeConfig({ args, network }));
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

Deno.test("an app that is added later learns all that the run was started with", () => {
  const all = parseRunArguments([
    "--debug",
    "--net=default,extra:IP=10.0.0.1",
    "--private-users=1000:65536",
    "--mds-token=abc",
    "--local-config=/usr/local/etc/rkt",
    "--hostname=caf\udce9",
    "--dns-conf-mode=resolv=stage0,hosts=host",
    "--disable-capabilities-restriction",
    "--disable-paths",
    "--disable-seccomp",
    "--mutable",
    "--ipc=parent",
    UUID,
  ]);
  const network = { hostIP: "10.1.0.1", hasResolvConf: true };
  inPodDirectory(() => {
    assertThrows(loadRun, Error, "runtime-config: cannot be read");
    for (const found of [NETWORK, network]) {
      save(all, found);
      assertEquals(loadRun(), { args: all, network: found });
    }
  });
});

Deno.test("a record that run has not written so is refused by its field", () => {
  const text = formatRuntimeConfig({ args: parseRunArguments([UUID]), network: NETWORK });
  const wrong: [field: string, value: unknown, error: string][] = [
    ["UUID", "x", "runtime-config.UUID"],
    ["Net", undefined, "runtime-config.Net: expected string, received nothing"],
    ["IPCMode", "mine", 'runtime-config.IPCMode: expected "auto" or "private" or "parent"'],
    ["InsecureOptions", {}, "runtime-config.InsecureOptions.DisablePaths: expected boolean"],
    ["HasResolvConf", "yes", "runtime-config.HasResolvConf: expected boolean, received string"],
  ];
  for (const [field, value, error] of wrong) {
    const content = { ...JSON.parse(text), [field]: value };
    assertThrows(() => parseRuntimeConfig(content), Error, error);
  }
});
