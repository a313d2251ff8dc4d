import { assertEquals, assertThrows } from "@std/assert";
import { formatSize, taskArguments } from "./console.ts";

const OPTIONS = { boolean: ["quiet"], string: ["key"], usage: "" } as const;

Deno.test("sizes are written for people", () => {
  assertEquals([formatSize(1234), formatSize(97_076_048)], ["1.2 kB", "97.1 MB"]);
});

Deno.test("a task gets its options and the rest", () => {
  const args = taskArguments(["--key=k", "image.aci", "--quiet"], OPTIONS);
  assertEquals([args.key, args.quiet, args._], ["k", true, ["image.aci"]]);
});

Deno.test("an option that the task does not have is refused", () => {
  assertThrows(
    () => taskArguments(["--colour"], OPTIONS),
    Error,
    "--colour: there is no such option",
  );
});

Deno.test("an option without the value that it needs is refused", () => {
  assertThrows(() => taskArguments(["--key"], OPTIONS), Error, "--key: needs a value");
});
