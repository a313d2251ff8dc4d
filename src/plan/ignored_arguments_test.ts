import { assertEquals } from "@std/assert";
import { parseRunArguments } from "../stage1/arguments.ts";
import { ignoredArguments } from "./ignored_arguments.ts";

const UUID = "6733c088-a507-4694-aabf-edbe4fc5266f";

function ignored(...args: string[]): string[] {
  return ignoredArguments(parseRunArguments([...args, UUID])).map((line) => line.split(":")[0]!);
}

Deno.test("what stage0 passes for a user who asked for nothing is not remarked on", () => {
  assertEquals(ignored("--net=default", "--local-config=/etc/rkt", "--interactive"), []);
  assertEquals(ignored("--net=host", "--ipc=parent", "--disable-seccomp"), []);
});

Deno.test("what the host's namespaces cannot give is said once each", () => {
  assertEquals(
    ignored("--net=none", "--hostname=web", "--private-users=1", "--ipc=private"),
    ["--net=none", "--hostname=web", "--private-users=1", "--ipc=private"],
  );
});
