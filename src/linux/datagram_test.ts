import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { connectDatagrams, receiveDatagrams, sendByConnected, takeDatagram } from "./datagram.ts";
import { encodeText } from "./text.ts";

Deno.test("a datagram comes with its sender, as long as it may be, and only once", () => {
  const directory = Deno.makeTempDirSync({ prefix: "volo-datagram-" });
  try {
    using receiver = receiveDatagrams(`${directory}/socket`);
    using sender = connectDatagrams(`${directory}/socket`);
    assertEquals(takeDatagram(receiver, 100), undefined);
    sendByConnected(sender, encodeText("READY=1"), 100);
    sendByConnected(sender, encodeText("much too long"), 100);
    assertEquals(takeDatagram(receiver, 100), { bytes: encodeText("READY=1"), pid: Deno.pid });
    assertEquals(takeDatagram(receiver, 4), { bytes: encodeText("much"), pid: Deno.pid });
    assertEquals(takeDatagram(receiver, 100), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("who cannot be reached is not waited for, nor an address that is too long", () => {
  assertThrows(() => connectDatagrams("/nowhere/socket"), Error, "ENOENT");
  assertThrows(() => connectDatagrams(`@volo-${crypto.randomUUID()}`), Error, "ECONNREFUSED");
  assertThrows(() => connectDatagrams(`/${"a".repeat(108)}`), RangeError, "107");
});
