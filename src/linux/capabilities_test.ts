import { assertEquals } from "@std/assert";
import { CAPABILITIES } from "./capabilities.ts";

/** One capability of each time at which the header grew. */
const numbers: [name: typeof CAPABILITIES[number], number: number][] = [
  ["CAP_CHOWN", 0],
  ["CAP_SYS_ADMIN", 21],
  ["CAP_SETFCAP", 31],
  ["CAP_MAC_OVERRIDE", 32],
  ["CAP_CHECKPOINT_RESTORE", 40],
];

for (const [name, number] of numbers) {
  Deno.test(`${name} has the number ${number}`, () => {
    assertEquals(CAPABILITIES.indexOf(name), number);
  });
}
