import * as assertions from "@std/assert";
import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

Deno.test("every declared assertion exists", () => {
  const declared: Record<keyof typeof assertions, true> = {
    AssertionError: true,
    assert: true,
    assertArrayIncludes: true,
    assertEquals: true,
    assertExists: true,
    assertGreater: true,
    assertInstanceOf: true,
    assertLess: true,
    assertMatch: true,
    assertNotEquals: true,
    assertNotMatch: true,
    assertRejects: true,
    assertStrictEquals: true,
    assertStringIncludes: true,
    assertThrows: true,
    fail: true,
  };
  const missing = Object.keys(declared).filter((name) => !(name in assertions));
  assertEquals(missing, []);
});

Deno.test("parsed flags have the declared types", () => {
  const args = parseArgs(["--debug", "--key=k.asc", "--only", "a", "--only=b", "7"], {
    boolean: ["debug", "quiet"],
    string: ["key", "output", "only", "_"],
    collect: ["only"],
  });
  const positional: string[] = args._;
  const debug: boolean = args.debug;
  const only: string[] = args.only;
  assertEquals([debug, args.quiet, only, positional], [true, false, ["a", "b"], ["7"]]);
  const values: (string | undefined)[] = [args.key, args.output];
  assertEquals(values, ["k.asc", undefined]);
});
