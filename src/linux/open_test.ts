import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "./errno.ts";
import { inTempDir } from "./file_testing.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openFile, openInRoot } from "./open.ts";
import { readText } from "./read_write.ts";
import { statFd, statPath } from "./stat.ts";

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
