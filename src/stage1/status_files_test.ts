import "../linux/libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { listDirectory } from "../linux/directory.ts";
import { inTempDir } from "../linux/file_testing.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { prepareStatus, saveStatus } from "./status_files.ts";

Deno.test("a status has its name only when it is saved, in a file that was there before", () => {
  inTempDir((directory) => {
    using statuses = openFile(directory, O_PATH | O_DIRECTORY);
    prepareStatus(statuses, "web");
    const [prepared] = listDirectory(directory);
    assertEquals(prepared, ".web.new");
    const { ino } = Deno.statSync(`${directory}/${prepared}`);
    saveStatus(statuses, "web", 7);
    assertEquals(listDirectory(directory), ["web"]);
    assertEquals(Deno.readTextFileSync(`${directory}/web`), "7\n");
    assertEquals(Deno.statSync(`${directory}/web`).ino, ino);
  });
});

Deno.test("a status is saved also where its prepared file has gone", () => {
  inTempDir((directory) => {
    using statuses = openFile(directory, O_PATH | O_DIRECTORY);
    saveStatus(statuses, "web", 255);
    assertEquals(Deno.readTextFileSync(`${directory}/web`), "255\n");
  });
});

Deno.test("a status that cannot be saved is named by its path in the pod directory", () => {
  inTempDir((directory) => {
    using statuses = openFile(directory, O_PATH | O_DIRECTORY);
    Deno.mkdirSync(`${directory}/.web.new`);
    const path = "stage1/rootfs/rkt/status/web: cannot be written";
    assertThrows(() => saveStatus(statuses, "web", 0), Error, path);
  });
});
