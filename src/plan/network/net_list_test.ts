import { assertEquals, assertThrows } from "@std/assert";
import { parseNetList } from "./net_list.ts";

Deno.test("networks are told apart by commas, arguments by the colon before them", () => {
  assertEquals(parseNetList("host"), [{ name: "host", args: "" }]);
  assertEquals(parseNetList("all,lan:IP=10.0.0.1,b:"), [
    { name: "all", args: "" },
    { name: "lan", args: "IP=10.0.0.1" },
    { name: "b", args: "" },
  ]);
});

const REFUSED: [net: string, why: string][] = [
  ["", "--net=: a network without a name"],
  ["a,,b", "--net=a,,b: a network without a name"],
  [":IP=1", "--net=:IP=1: a network without a name"],
  ["a,b,a", '--net=a,b,a: "a" is there twice'],
  ["a:IP=fd00::1", "--net=a:IP=fd00::1: arguments cannot have a colon"],
  ["host:IP=1", "--net=host:IP=1: host is no network that could have arguments"],
  ["none:IP=1", "--net=none:IP=1: none is no network that could have arguments"],
  ["all:IP=1", "--net=all:IP=1: all is no network that could have arguments"],
  ["a:IP=1;MTU", '--net=a:IP=1;MTU: "MTU" is not NAME=VALUE'],
  ["a:=1", '--net=a:=1: "=1" is not NAME=VALUE'],
];

for (const [net, why] of REFUSED) {
  Deno.test(`--net=${net} is refused`, () => {
    assertEquals(assertThrows(() => parseNetList(net), Error).message, why);
  });
}
