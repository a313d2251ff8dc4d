import { assertEquals } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import { fieldsOf, formatEntry, formatFields } from "./journal_entry.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);

Deno.test("an entry names the pod, the app and the stream as other runtimes do", () => {
  const pod = "6733c088-a507-4694-aabf-edbe4fc5266f";
  assertEquals(fieldsOf({ pod, app: "web" }, "syslog", 86), {
    PRIORITY: "6",
    SYSLOG_FACILITY: "10",
    SYSLOG_IDENTIFIER: "web",
    CONTAINER_ID: "6733c088",
    CONTAINER_ID_FULL: pod,
    CONTAINER_NAME: "web",
    CONTAINER_STREAM: "syslog",
  });
});

Deno.test("a message of any bytes is told from the fields around it by its length", () => {
  const message = Uint8Array.of(10, 0, 0xff, ...bytes("PRIORITY=0\n"));
  const length = [message.length, 0, 0, 0, 0, 0, 0, 0];
  assertEquals(
    formatEntry(formatFields({ A: "1" }), message),
    Uint8Array.of(...bytes("A=1\nMESSAGE\n"), ...length, ...message, 10),
  );
});
