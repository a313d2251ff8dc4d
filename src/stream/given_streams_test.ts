import "../linux/libc_testing.ts";
import { assertEquals } from "@std/assert";
import type { Fd } from "../linux/fd.ts";
import { O_RDONLY, openFile } from "../linux/open.ts";
import { setMode, setOwner } from "../linux/ownership.ts";
import { makePipe } from "../linux/pipe.ts";
import { statFd } from "../linux/stat.ts";
import { GivenStreams } from "./given_streams.ts";

const USER = 1000;
const OTHER = 2000;

/** Only root can give anything away. */
const AS_ROOT = { ignore: Deno.uid() !== 0 };

/** Who owns a stream, and its mode. */
function ownership(fd: Fd): [number, number] {
  const { uid, mode } = statFd(fd);
  return [uid, mode];
}

Deno.test("a pipe is given to each user in turn, and root has it back", AS_ROOT, () => {
  const { readEnd, writeEnd } = makePipe();
  using _read = readEnd;
  using _write = writeEnd;
  {
    using given = new GivenStreams();
    given.give(readEnd, 0);
    assertEquals(given.all.length, 0);
    for (const uid of [USER, OTHER, 0, USER]) {
      given.give(writeEnd, uid);
      assertEquals(ownership(readEnd), [uid, 0o600]);
    }
    // Both ends are one file.
    given.give(readEnd, USER);
    assertEquals(given.all.map(({ mode }) => mode), [0o600]);
    setMode(writeEnd, 0o666);
  }
  assertEquals(ownership(writeEnd), [0, 0o600]);
});

Deno.test("a pipe of another user's stays his", AS_ROOT, () => {
  const { readEnd, writeEnd } = makePipe();
  using _read = readEnd;
  using _write = writeEnd;
  setOwner(writeEnd, OTHER, -1);
  using given = new GivenStreams();
  given.give(writeEnd, USER);
  assertEquals([ownership(writeEnd), given.all], [[OTHER, 0o600], []]);
});

Deno.test("files and devices that are no terminals are not given", AS_ROOT, () => {
  const path = Deno.makeTempFileSync({ prefix: "volo-given-" });
  try {
    for (const each of [path, "/dev/null"]) {
      using fd = openFile(each, O_RDONLY);
      using given = new GivenStreams();
      const before = ownership(fd);
      given.give(fd, USER);
      assertEquals([ownership(fd), given.all], [before, []]);
    }
  } finally {
    Deno.removeSync(path);
  }
});
