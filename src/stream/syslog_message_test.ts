import { assertEquals } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import { parseMessage } from "./syslog_message.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const text = (bytes: Bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

const messages: [sent: string, priority: number, time: string, text: string][] = [
  ["<13>Nov  6 09:01:02 a: b", 13, "Nov  6 09:01:02 ", "a: b"],
  ["<191>no time", 191, "", "no time"],
  ["no head\0", 13, "", "no head"],
  ["Nov 26 09:01:02 no priority", 13, "Nov 26 09:01:02 ", "no priority"],
  ["<x>no number", 13, "", "<x>no number"],
  ["<1234>too long", 13, "", "<1234>too long"],
  ["<192>more than there are", 13, "", "<192>more than there are"],
  ["<6>Nov 26 09:01:02 ", 6, "Nov 26 09:01:02 ", ""],
  ["<6>one\ntwo \n\0", 6, "", "one\ntwo"],
  ["<6>é", 6, "", "é"],
  ["", 13, "", ""],
];

for (const [sent, priority, time, rest] of messages) {
  Deno.test(`a message is understood: ${JSON.stringify(sent)}`, () => {
    const message = parseMessage(bytes(sent));
    assertEquals(
      [message.priority, text(message.time), text(message.text)],
      [priority, time, rest],
    );
  });
}
