import { assertEquals, assertThrows } from "@std/assert";
import { parseFlags } from "./flags.ts";

const FLAGS = {
  debug: { does: "shows each step" },
  net: { value: "LIST", does: "names the networks" },
  "dns-conf-mode": { value: "MODES", does: "tells whose names" },
} as const;

Deno.test("flags take one dash or two, and values after = or as the next argument", () => {
  for (const args of [["--net=a", "x"], ["-net=a", "x"], ["--net", "a", "x"], ["-net", "a", "x"]]) {
    assertEquals(parseFlags(args, FLAGS), { flags: { net: "a" }, rest: ["x"] });
  }
});

Deno.test("a value keeps its own = and may look like a flag or be empty", () => {
  assertEquals(parseFlags(["--dns-conf-mode=resolv=host,hosts=host"], FLAGS).flags, {
    "dns-conf-mode": "resolv=host,hosts=host",
  });
  assertEquals(parseFlags(["--net", "--debug"], FLAGS).flags, { net: "--debug" });
  assertEquals(parseFlags(["--net="], FLAGS).flags, { net: "" });
});

Deno.test("booleans are bare or spelled as Go spells them, and never take the next argument", () => {
  assertEquals(parseFlags(["--debug", "false"], FLAGS), {
    flags: { debug: true },
    rest: ["false"],
  });
  for (const [text, value] of [["1", true], ["T", true], ["False", false], ["0", false]] as const) {
    assertEquals(parseFlags([`-debug=${text}`], FLAGS).flags, { debug: value });
  }
  assertThrows(() => parseFlags(["--debug=yes"], FLAGS), Error, "--debug");
});

Deno.test("the last of several values counts", () => {
  assertEquals(parseFlags(["--net=a", "--net=b"], FLAGS).flags, { net: "b" });
});

Deno.test("flags end at --, at a single dash, and at the first argument that is none", () => {
  assertEquals(parseFlags(["--", "--debug"], FLAGS), { flags: {}, rest: ["--debug"] });
  assertEquals(parseFlags(["-", "--debug"], FLAGS), { flags: {}, rest: ["-", "--debug"] });
  assertEquals(parseFlags(["x", "--debug"], FLAGS), { flags: {}, rest: ["x", "--debug"] });
});

Deno.test("what is no flag, an unknown one or one without value is refused by name", () => {
  assertThrows(() => parseFlags(["--bug"], FLAGS), Error, "--bug: no such flag");
  assertThrows(() => parseFlags(["--constructor"], FLAGS), Error, "no such flag");
  assertThrows(() => parseFlags(["--net"], FLAGS), Error, "--net: its value is missing");
  assertThrows(() => parseFlags(["---debug"], FLAGS), Error, "---debug: not a flag");
  assertThrows(() => parseFlags(["--=x"], FLAGS), Error, "--=x: not a flag");
});
