import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { lockFile } from "./file_lock.ts";
import { inTempDir } from "./file_testing.ts";
import { O_DIRECTORY, O_RDONLY, openFile } from "./open.ts";

Deno.test("lockFile() holds others off until the descriptor is closed", () => {
  inTempDir((directory) => {
    const isFree = () => {
      const args = ["--nonblock", directory, "true"];
      return new Deno.Command("flock", { args }).outputSync().success;
    };
    {
      using fd = openFile(directory, O_RDONLY | O_DIRECTORY);
      lockFile(fd);
      assertEquals(isFree(), false);
    }
    assertEquals(isFree(), true);
  });
});
