import { assertEquals, assertThrows } from "@std/assert";
import { readConfiguration } from "./configuration.ts";

function read(configuration: unknown) {
  return readConfiguration({ path: "10-lan.conf", text: JSON.stringify(configuration) });
}

Deno.test("fields are told apart as Go does it: not by case, and the last one counts", () => {
  const { name, ipMasq, plugins } = read({ name: "a", NAME: "b", Type: "ptp", IpMasq: true });
  assertEquals([name, ipMasq, plugins.map(({ type }) => type)], ["b", true, ["ptp"]]);
});

Deno.test("what is null is left out", () => {
  const { cniVersion, ipMasq } = read({ name: "a", type: "ptp", cniVersion: null, ipMasq: null });
  assertEquals([cniVersion, ipMasq], ["0.1.0", false]);
});

Deno.test("a list has the ipMasq of any of its plugins, and each plugin's capabilities", () => {
  const { ipMasq, plugins, isList } = read({
    cniVersion: "0.4.0",
    name: "list",
    plugins: [
      { type: "bridge", ipMasq: true },
      { type: "portmap", capabilities: { portMappings: true, ips: false } },
    ],
  });
  assertEquals([ipMasq, isList], [true, true]);
  assertEquals(plugins.map(({ capabilities }) => capabilities), [[], ["portMappings"]]);
});

const REFUSED: [configuration: unknown, why: string][] = [
  [[], "expected a JSON object, received array"],
  [{ type: "ptp" }, "name: missing"],
  [{ name: "", type: "ptp" }, "name: must not be empty"],
  [{ name: "a" }, "type: missing"],
  [{ name: "../a", type: "ptp" }, 'name: "../a" cannot be the name of a file'],
  [{ name: "..", type: "ptp" }, 'name: ".." cannot be the name of a file'],
  [{ name: "a", type: "/bin/sh" }, 'type: "/bin/sh" cannot be the name of a file'],
  [{ name: 1, type: "ptp" }, "name: expected string, received number"],
  [{ name: "a", type: "ptp", ipMasq: "yes" }, "ipMasq: expected boolean, received string"],
  [{ name: "a", plugins: [] }, "plugins: must not be empty"],
  [{ name: "a", plugins: {} }, "plugins: expected array, received object"],
  [{ name: "a", plugins: [{ type: "ptp" }, 1] }, "plugins[1]: expected object, received number"],
  [{ name: "a", plugins: [{ type: "ptp" }, {}] }, "plugins[1].type: missing"],
  [
    { name: "a", plugins: [{ type: "ptp", capabilities: { ips: 1 } }] },
    "plugins[0].capabilities.ips: expected boolean, received number",
  ],
];

for (const [configuration, why] of REFUSED) {
  Deno.test(`a configuration is refused: ${why}`, () => {
    const { message } = assertThrows(() => read(configuration), Error);
    assertEquals(message, `10-lan.conf: ${why}`);
  });
}

Deno.test("what is not JSON is refused by the file's name", () => {
  const file = { path: "10-lan.conf", text: "{" };
  assertThrows(() => readConfiguration(file), Error, "10-lan.conf: not JSON: ");
});
