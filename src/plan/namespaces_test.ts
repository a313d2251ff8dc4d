import { assertEquals, assertThrows } from "@std/assert";
import { quoteText } from "../linux/text.ts";
import { hostnameOf } from "./namespaces.ts";
import { ARGUMENTS } from "./plan_testing.ts";

Deno.test("a pod has the host name that its caller wants, else one of its own", () => {
  assertEquals(hostnameOf({ ...ARGUMENTS, hostname: "web" }), "web");
  assertEquals(hostnameOf(ARGUMENTS), `rkt-${ARGUMENTS.uuid}`);
});

Deno.test("a host name that the kernel would refuse is an error about the flag", () => {
  const longest = `${"ä".repeat(31)}bc`;
  assertEquals(hostnameOf({ ...ARGUMENTS, hostname: longest }), longest);
  const hostname = "ä".repeat(33);
  assertThrows(() => hostnameOf({ ...ARGUMENTS, hostname }), Error, "--hostname: 66 bytes");
});

Deno.test("what would be more than a name in /etc/hosts is an error about the flag", () => {
  for (const hostname of ["a b", "a\n1.2.3.4 b", "#", "a#", " ", "a\t", "\u00a0", "\x1b"]) {
    assertThrows(
      () => hostnameOf({ ...ARGUMENTS, hostname }),
      Error,
      `--hostname: ${quoteText(hostname)} is no single name`,
    );
  }
  for (const hostname of ["Web_1.example-2.org", "h\udce9"]) {
    assertEquals(hostnameOf({ ...ARGUMENTS, hostname }), hostname);
  }
});
