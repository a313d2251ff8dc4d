import { assertEquals, assertThrows } from "@std/assert";
import { parsePrivateUsers, podId, rootOf } from "./id_range.ts";

Deno.test("a range may end with the last id", () => {
  assertEquals(parsePrivateUsers("4294967294:1"), { shift: 4294967294, count: 1 });
  assertEquals(parsePrivateUsers("1:4294967294"), { shift: 1, count: 4294967294 });
});

const refused: [text: string, why: RegExp][] = [
  ["65536", /"65536" is not SHIFT:COUNT/],
  ["65536:", /is not SHIFT:COUNT/],
  ["-1:65536", /is not SHIFT:COUNT/],
  ["65536:65536:0", /is not SHIFT:COUNT/],
  ["0x10000:65536", /is not SHIFT:COUNT/],
  [" 65536:1", /is not SHIFT:COUNT/],
  ["65536:1\n", /is not SHIFT:COUNT/],
  ["0:65536", /the host's root/],
  ["00:65536", /the host's root/],
  ["65536:0", /without users/],
  ["4294967295:1", /beyond the last id/],
  ["65536:4294901760", /beyond the last id/],
];

for (const [text, why] of refused) {
  Deno.test(`--private-users=${JSON.stringify(text)} is refused`, () => {
    const { message } = assertThrows(() => parsePrivateUsers(text), Error, "--private-users: ");
    assertEquals(why.test(message), true, message);
  });
}

Deno.test("ids on either side of the range are none of the pod's", () => {
  const ids = { shift: 1000, count: 10 };
  assertEquals([999, 1000, 1009, 1010].map((id) => podId(id, ids)), [undefined, 0, 9, undefined]);
});

Deno.test("what is made for a pod belongs to its root", () => {
  assertEquals(rootOf({ shift: 1000, count: 10 }), { uid: 1000, gid: 1000 });
  assertEquals(rootOf(undefined), { uid: 0, gid: 0 });
});
