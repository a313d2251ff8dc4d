import "../linux/libc_testing.ts";
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { syscall } from "../linux/libc.ts";
import { O_DIRECTORY, O_NONBLOCK, O_PATH, O_RDONLY, openFile } from "../linux/open.ts";
import { writeText } from "../linux/read_write.ts";
import { SIGWINCH } from "../linux/signal_numbers.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { kubernetesPlace, openKubernetesDirectory } from "./log_places.ts";

/** A lease on a file: its holder is asked, by a signal, before somebody else opens it. fcntl(2). */
const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_WRLCK = 1;

/** A directory that Kubernetes names, with a secret of the host beside it. */
function withDirectory(act: (path: string, open: (file?: string) => void) => void): void {
  const parent = Deno.makeTempDirSync({ prefix: "volo-places-" });
  const path = `${parent}/logs`;
  Deno.mkdirSync(`${path}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${parent}/secret`, "secret");
  try {
    using directory = openFile(path, O_PATH | O_DIRECTORY);
    act(path, (file = "web.log") => {
      using fd = kubernetesPlace({ fd: directory, path }, file).open(0);
      writeText(fd, "line\n");
    });
    assertEquals(Deno.readTextFileSync(`${parent}/secret`), "secret");
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
}

Deno.test("a file for Kubernetes is made with its mode, and is added to", () => {
  withDirectory((path, open) => {
    open("sub/web.log");
    open("sub/web.log");
    assertEquals(Deno.readTextFileSync(`${path}/sub/web.log`), "line\nline\n");
    assertEquals(Deno.statSync(`${path}/sub/web.log`).mode! & 0o777, 0o640);
  });
});

const hostile: [what: string, prepare: (path: string) => void, why: RegExp][] = [
  ["a link", (path) => Deno.symlinkSync("../secret", `${path}/web.log`), /ELOOP/],
  ["a link that stays inside", (path) => Deno.symlinkSync("sub/x", `${path}/web.log`), /ELOOP/],
  [
    "another name of a file",
    (path) => Deno.linkSync(`${path}/../secret`, `${path}/web.log`),
    /EMLINK/,
  ],
  ["a directory", (path) => Deno.mkdirSync(`${path}/web.log`), /EISDIR/],
  ["a pipe that nobody reads", (path) => makePipe(`${path}/web.log`), /ENXIO/],
];

for (const [what, prepare, why] of hostile) {
  Deno.test(`no log for Kubernetes is written to ${what}`, () => {
    withDirectory((path, open) => {
      prepare(path);
      assertMatch(assertThrows(() => open(), Error).message, why);
    });
  });
}

Deno.test("no log for Kubernetes is written to a pipe that somebody reads", () => {
  withDirectory((path, open) => {
    makePipe(`${path}/web.log`);
    using _reader = openFile(`${path}/web.log`, O_RDONLY | O_NONBLOCK);
    assertMatch(assertThrows(() => open(), Error).message, /ENXIO/);
  });
});

Deno.test("no log for Kubernetes is written below a link that leads out", () => {
  withDirectory((path, open) => {
    Deno.symlinkSync("../..", `${path}/out`);
    assertMatch(assertThrows(() => open("out/secret"), Error).message, /ELOOP/);
  });
});

Deno.test("nobody waits for whoever has a lease on a log for Kubernetes", () => {
  withDirectory((path, open) => {
    Deno.writeTextFileSync(`${path}/web.log`, "");
    using held = openFile(`${path}/web.log`, O_RDONLY);
    syscall("fcntl", held.number, F_SETSIG, SIGWINCH);
    syscall("fcntl", held.number, F_SETLEASE, F_WRLCK);
    const before = Date.now();
    assertMatch(assertThrows(() => open(), Error).message, /EAGAIN/);
    assertEquals(Date.now() - before < 10_000, true);
  });
});

Deno.test("a directory for Kubernetes that only privileges can write to is refused at once", () => {
  withDirectory((path, open) => {
    Deno.chmodSync(path, 0o755);
    Deno.chownSync(path, 1000, 1000);
    assertMatch(assertThrows(() => open(), Error).message, /EACCES/);
  });
});

Deno.test("a directory for Kubernetes that is not there is an error that names the annotation", () => {
  const error = assertThrows(() =>
    openKubernetesDirectory({ path: "/nowhere", field: "annotations[1]" })
  );
  assertMatch(describeError(error), /^annotations\[1\]: openat2\("\/nowhere"\): ENOENT/);
});

function makePipe(path: string): void {
  syscall("mknodat", -100, path, 0o010600, 0);
}
