import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { inTempDir } from "./file_testing.ts";
import { O_DIRECTORY, O_PATH, openFile } from "./open.ts";
import { pathOf } from "./path.ts";
import { decodeStatx, lstatAt, statFd, statPath } from "./stat.ts";

Deno.test("statPath() and statFd() agree with Deno about a file", () => {
  inTempDir((directory) => {
    const path = `${directory}/file`;
    Deno.writeTextFileSync(path, "");
    Deno.chmodSync(path, 0o4751);
    using fd = openFile(path, O_PATH);
    const status = statFd(fd);
    assertEquals(status, statPath(path));
    assertEquals([status.kind, status.mode, status.uid], ["file", 0o4751, Deno.uid()]);
    assertEquals(status.identity.endsWith(`/${Deno.statSync(path).ino}`), true);
    assertEquals(pathOf(fd), Deno.realPathSync(path));
  });
});

Deno.test("statPath() tells where a mount begins", () => {
  assertEquals(statPath("/proc").isMountRoot, true);
  assertEquals(statPath("/proc/self").isMountRoot, false);
});

Deno.test("lstatAt() sees a dangling link as a link, and nothing where nothing is", () => {
  inTempDir((directory) => {
    Deno.symlinkSync("/nowhere", `${directory}/link`);
    using fd = openFile(directory, O_PATH | O_DIRECTORY);
    assertEquals(lstatAt(fd, "link")?.kind, "symlink");
    assertEquals(lstatAt(fd, "other"), undefined);
  });
});

Deno.test("decodeStatx() refuses what a kernel before 5.8 says, which knows no numbers of mounts", () => {
  const ofOld = new Uint8Array(256);
  new DataView(ofOld.buffer).setUint32(0, 0x7ff, true);
  const error = assertThrows(() => decodeStatx(ofOld, "/srv"), Error);
  assertEquals(
    error.message,
    'statx("/srv"): ENOSYS, not in this kernel (Linux 5.8 or later is needed)',
  );
});
