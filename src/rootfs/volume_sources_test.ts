import "../linux/libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { isOpen } from "../linux/fd.ts";
import { statFd, statPath } from "../linux/stat.ts";
import { VolumeSources } from "./volume_sources.ts";

function inDirectory(act: (path: string) => void): void {
  const path = Deno.makeTempDirSync();
  const before = Deno.cwd();
  try {
    Deno.mkdirSync(`${path}/real`);
    Deno.mkdirSync(`${path}/other`);
    Deno.chdir(path);
    act(path);
  } finally {
    Deno.chdir(before);
    Deno.removeSync(path, { recursive: true });
  }
}

Deno.test("a source is what it was at first, whatever its path has become", () => {
  inDirectory((path) => {
    using sources = new VolumeSources();
    for (const source of [`${path}/real`, "real"]) {
      const { identity } = statFd(sources.open(source));
      assertEquals(identity, statPath(source).identity);
      Deno.renameSync("real", "gone");
      Deno.symlinkSync("other", "real");
      assertEquals(statFd(sources.open(source)).identity, identity);
      Deno.removeSync("real");
      Deno.renameSync("gone", "real");
    }
  });
});

Deno.test("a path of the host may lead through links, one of the pod directory may not", () => {
  inDirectory((path) => {
    using sources = new VolumeSources();
    Deno.symlinkSync("real", "link");
    assertEquals(
      statFd(sources.open(`${path}/link`)).identity,
      statPath(`${path}/real`).identity,
    );
    assertThrows(() => sources.open("link"), Error, "ELOOP");
    assertThrows(() => sources.open("../"), Error, "EXDEV");
  });
});

Deno.test("a source is nothing that a process has open", () => {
  inDirectory((path) => {
    using sources = new VolumeSources();
    Deno.symlinkSync("/proc/self/cwd/real", "link");
    for (const source of ["/proc/self/cwd", "/proc/self/root/etc", "/dev/fd/0", `${path}/link`]) {
      assertThrows(() => sources.open(source), Error, "ELOOP");
    }
  });
});

Deno.test("a source is open for as long as it may be needed, and no longer", () => {
  inDirectory((path) => {
    const sources = new VolumeSources();
    const { number } = sources.open(path);
    assertEquals(sources.open(path).number, number);
    assertEquals(isOpen(number), true);
    sources[Symbol.dispose]();
    assertEquals(isOpen(number), false);
  });
});
