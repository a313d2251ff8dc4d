import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { listDirectory, makeDirectories, removeFile } from "./directory.ts";
import { SyscallError } from "./errno.ts";
import { isOpen } from "./fd.ts";
import { lockFile } from "./file_lock.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openFile, openInRoot } from "./open.ts";
import { pathOf } from "./path.ts";
import { readKernelFile, readText, replaceFileAt } from "./read_write.ts";
import { decodeStatx, lstatAt, statFd, statPath } from "./stat.ts";

function inTempDir(act: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "volo-file-" });
  try {
    act(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("openInRoot() keeps absolute links and .. inside the root", () => {
  inTempDir((directory) => {
    Deno.mkdirSync(`${directory}/root/etc`, { recursive: true });
    Deno.writeTextFileSync(`${directory}/root/etc/name`, "inside");
    Deno.writeTextFileSync(`${directory}/name`, "outside");
    Deno.symlinkSync("/etc/name", `${directory}/root/absolute`);
    Deno.symlinkSync("../../../../../etc/name", `${directory}/root/dotted`);
    using root = openFile(`${directory}/root`, O_PATH | O_DIRECTORY);
    for (const path of ["/absolute", "dotted", "../etc/name", "/../../etc/name"]) {
      using fd = openInRoot(root, path, O_RDONLY);
      assertEquals(readText(fd, 100), "inside");
    }
  });
});

Deno.test("openInRoot() refuses links that go round in circles, by name", () => {
  inTempDir((directory) => {
    Deno.symlinkSync("loop", `${directory}/loop`);
    using root = openFile(directory, O_PATH | O_DIRECTORY);
    assertThrows(() => openInRoot(root, "/loop", O_PATH), SyscallError, "ELOOP");
  });
});

Deno.test("openInRoot() finds what is there while others rename files all the time", async () => {
  const directory = await Deno.makeTempDir({ prefix: "volo-file-" });
  await Deno.mkdir(`${directory}/deep/er`, { recursive: true });
  await Deno.mkdir(`${directory}/a`);
  const text = "for (;;) { Deno.renameSync('a', 'b'); Deno.renameSync('b', 'a'); }";
  const args = ["eval", text];
  const renaming = new Deno.Command(Deno.execPath(), { args, cwd: directory }).spawn();
  try {
    using root = openFile(directory, O_PATH | O_DIRECTORY);
    const found = new Set<string>();
    const end = Date.now() + 1500;
    while (Date.now() < end) {
      using fd = openInRoot(root, "deep/er/../../deep", O_PATH);
      found.add(statFd(fd).identity);
    }
    assertEquals([...found], [statPath(`${directory}/deep`).identity]);
  } finally {
    renaming.kill("SIGKILL");
    await renaming.status;
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a descriptor is closed at the end of its scope", () => {
  let number: number;
  {
    using fd = openFile("/", O_PATH);
    number = fd.number;
    assertEquals(isOpen(number), true);
  }
  assertEquals(isOpen(number), false);
});

Deno.test("readText() refuses more than its limit", () => {
  using fd = openFile("/dev/zero", O_RDONLY);
  assertThrows(() => readText(fd, 1000), RangeError, "longer than 1000 bytes");
});

Deno.test("readKernelFile() reads files whose size the kernel does not tell", () => {
  assertEquals(readKernelFile("/proc/self/comm").endsWith("\n"), true);
});

Deno.test("replaceFileAt() leaves the new text under the name, and nothing else", () => {
  inTempDir((directory) => {
    Deno.writeTextFileSync(`${directory}/pid`, "a longer text that was there");
    using fd = openFile(directory, O_PATH | O_DIRECTORY);
    replaceFileAt(fd, "pid", "7\n");
    assertEquals(Deno.readTextFileSync(`${directory}/pid`), "7\n");
    assertEquals(listDirectory(directory), ["pid"]);
  });
});

Deno.test("listDirectory() finds every name of a directory larger than one read", () => {
  inTempDir((directory) => {
    const names = Array.from({ length: 2000 }, (_, i) => `a-name-of-some-length-${i}`);
    names.forEach((name) => Deno.writeTextFileSync(`${directory}/${name}`, ""));
    assertEquals(listDirectory(directory).toSorted(), names.toSorted());
  });
});

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

Deno.test("makeDirectories() makes what is missing, through links, and keeps what is there", () => {
  inTempDir((directory) => {
    Deno.mkdirSync(`${directory}/there`, { mode: 0o700 });
    Deno.symlinkSync("there", `${directory}/link`);
    makeDirectories(`${directory}/link/a/b`);
    makeDirectories(`${directory}/link/a/b`);
    assertEquals(statPath(`${directory}/there/a/b`).mode, 0o755);
    assertEquals(statPath(`${directory}/there`).mode, 0o700);
  });
});

Deno.test("makeDirectories() refuses a way through a file", () => {
  inTempDir((directory) => {
    Deno.writeTextFileSync(`${directory}/file`, "");
    assertThrows(() => makeDirectories(`${directory}/file/a`), SyscallError, "ENOTDIR");
  });
});

Deno.test("removeFile() removes a file, and is content where there is none", () => {
  inTempDir((directory) => {
    Deno.writeTextFileSync(`${directory}/file`, "");
    removeFile(`${directory}/file`);
    removeFile(`${directory}/file`);
    assertEquals(listDirectory(directory), []);
    assertThrows(() => removeFile(directory), SyscallError, "EISDIR");
  });
});

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

Deno.test("decodeStatx() refuses what a kernel before 5.8 says, which knows no numbers of mounts", () => {
  const ofOld = new Uint8Array(256);
  new DataView(ofOld.buffer).setUint32(0, 0x7ff, true);
  const error = assertThrows(() => decodeStatx(ofOld, "/srv"), Error);
  assertEquals(
    error.message,
    'statx("/srv"): ENOSYS, not in this kernel (Linux 5.8 or later is needed)',
  );
});
