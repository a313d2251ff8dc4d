import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { connectDatagrams, makeDatagramSocket } from "./datagram.ts";
import { O_DIRECTORY, O_PATH, openFile } from "./open.ts";
import { bindSocketAt } from "./unix_address.ts";

function inDirectory(test: (path: string) => void): void {
  const path = Deno.makeTempDirSync({ prefix: "volo-address-" });
  try {
    test(path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

Deno.test("a socket has its name in a directory, however long the directory's path is", () => {
  inDirectory((path) => {
    const deep = `${path}/${"d".repeat(120)}`;
    Deno.mkdirSync(deep);
    using directory = openFile(deep, O_PATH | O_DIRECTORY);
    using socket = makeDatagramSocket();
    bindSocketAt(socket, directory, "log", 0o666);
    assertEquals(Deno.statSync(`${deep}/log`).mode! & 0o7777, 0o666);
    using _client = connectDatagrams(`/proc/self/fd/${directory.number}/log`);
  });
});

Deno.test("a link with the name of a socket is not followed", () => {
  inDirectory((path) => {
    Deno.symlinkSync(`${path}/elsewhere`, `${path}/log`);
    using directory = openFile(path, O_PATH | O_DIRECTORY);
    using socket = makeDatagramSocket();
    assertThrows(() => bindSocketAt(socket, directory, "log", 0o666), Error, "EADDRINUSE");
    assertEquals([...Deno.readDirSync(path)].length, 1);
  });
});
