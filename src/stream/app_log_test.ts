import "../linux/libc_testing.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import type { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_RDONLY, openFile } from "../linux/open.ts";
import { DEFAULT_LOG } from "../plan/log.ts";
import { AppLog } from "./app_log.ts";
import { openLogDirectory, ownPlace } from "./log_places.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);

interface Logs {
  directory: Fd;
  path: string;
  complaints: string[];
  log(size?: number, files?: number): AppLog;
}

function withLogs(act: (logs: Logs) => void): void {
  const pod = Deno.makeTempDirSync({ prefix: "volo-log-" });
  try {
    using podDirectory = openFile(pod, O_RDONLY | O_DIRECTORY);
    using directory = openLogDirectory(podDirectory);
    const complaints: string[] = [];
    const log = (size = 1000, files = 2) =>
      new AppLog(
        ownPlace(directory, "web", { ...DEFAULT_LOG, size, files }),
        (text) => complaints.push(text),
      );
    act({ directory, path: `${pod}/log`, complaints, log });
  } finally {
    Deno.removeSync(pod, { recursive: true });
  }
}

const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("a log goes on where the one of an earlier start has ended", () => {
  withLogs(({ log, path }) => {
    for (const text of ["one\n", "two"]) {
      using each = log();
      each.write(bytes(text));
    }
    assertEquals(Deno.readTextFileSync(`${path}/web.log`), "one\ntwo");
    assertEquals(Deno.statSync(`${path}/web.log`).mode! & 0o777, 0o640);
  });
});

Deno.test("of a log that is full, only the one before it is kept", () => {
  withLogs(({ log, path }) => {
    using each = log(8);
    for (const text of ["one\n", "two\nthree", "\nfour\n", "a line of 20 bytes.\n"]) {
      each.write(bytes(text));
    }
    assertEquals(names(path), ["web.log", "web.log.1"]);
    assertEquals(Deno.readTextFileSync(`${path}/web.log.1`), "f 20 byt");
    assertEquals(Deno.readTextFileSync(`${path}/web.log`), "es.\n");
  });
});

Deno.test("as many files are kept as may be, the newest first", () => {
  withLogs(({ log, path }) => {
    using each = log(4, 3);
    const texts = (...files: string[]) =>
      files.map((name) => Deno.readTextFileSync(`${path}/${name}`));
    each.write(bytes("one\ntwo\n"));
    assertEquals(names(path), ["web.log", "web.log.1"]);
    each.write(bytes("xyz\nend\n"));
    assertEquals(names(path), ["web.log", "web.log.1", "web.log.2"]);
    assertEquals(texts("web.log", "web.log.1", "web.log.2"), ["end\n", "xyz\n", "two\n"]);
  });
});

Deno.test("a log of one file begins anew when that is full", () => {
  withLogs(({ log, path }) => {
    using each = log(8, 1);
    each.write(bytes("one\ntwo\nxyz\n"));
    assertEquals(names(path), ["web.log"]);
    assertEquals(Deno.readTextFileSync(`${path}/web.log`), "xyz\n");
  });
});

Deno.test("a full log ends with a whole line", () => {
  withLogs(({ log, path }) => {
    using each = log(10);
    each.write(bytes("one\ntwo\nthree\n"));
    assertEquals(Deno.readTextFileSync(`${path}/web.log.1`), "one\ntwo\n");
    assertEquals(Deno.readTextFileSync(`${path}/web.log`), "three\n");
  });
});

Deno.test("a log is not written through a link, and that is said once", () => {
  withLogs(({ log, path, complaints }) => {
    Deno.symlinkSync("elsewhere", `${path}/web.log`);
    using each = log();
    each.write(bytes("one"));
    each.write(bytes("two"));
    assertEquals(names(path), ["web.log"]);
    assertEquals(complaints.length, 1);
    assertStringIncludes(complaints[0]!, "web.log has gaps: openat(");
  });
});

Deno.test("a log goes on when it can be written again", () => {
  withLogs(({ log, path }) => {
    Deno.symlinkSync("elsewhere", `${path}/web.log`);
    using each = log();
    each.write(bytes("one"));
    Deno.removeSync(`${path}/web.log`);
    each.write(bytes("two"));
    const gap = "[stage1-volo: 3 bytes are missing here: ELOOP";
    assertMatch(Deno.readTextFileSync(`${path}/web.log`), new RegExp(`^\\${gap}.*\\]\ntwo$`));
  });
});

Deno.test("a log says where bytes are missing, also at its end", () => {
  withLogs(({ log, path }) => {
    const file = `${path}/web.log`;
    {
      using each = log();
      Deno.symlinkSync("elsewhere", file);
      for (const text of ["four", "three"]) each.write(bytes(text));
      Deno.removeSync(file);
    }
    assertMatch(
      Deno.readTextFileSync(file),
      /^\[stage1-volo: 9 bytes are missing here: ELOOP.*\]\n$/,
    );
  });
});

/** A log with a clock that stands, and what moves it by seconds. */
function withClock(
  { directory, path }: Logs,
  act: (log: AppLog, pass: (seconds: number) => void, file: string) => void,
): void {
  let now = 5000;
  using log = new AppLog(
    ownPlace(directory, "web", DEFAULT_LOG),
    (text) => assertEquals(text, ""),
    () => now,
  );
  act(log, (seconds) => now += seconds * 1000, `${path}/web.log`);
}

Deno.test("a log that was moved away is begun anew within a second, and no line is lost", () => {
  withLogs((logs) => {
    withClock(logs, (log, pass, file) => {
      log.write(bytes("one\n"));
      Deno.renameSync(file, `${file}-moved`);
      pass(0.9);
      log.write(bytes("two\n"));
      pass(0.1);
      for (const text of ["three\n", "four\n"]) log.write(bytes(text));
      assertEquals(Deno.readTextFileSync(`${file}-moved`), "one\ntwo\n");
      assertEquals(Deno.readTextFileSync(file), "three\nfour\n");
    });
  });
});

Deno.test("a log goes on in the file that a rotator has made in its place", () => {
  withLogs((logs) => {
    withClock(logs, (log, pass, file) => {
      log.write(bytes("one\n"));
      Deno.renameSync(file, `${file}-moved`);
      Deno.writeTextFileSync(file, "first\n");
      pass(1);
      log.write(bytes("two\n"));
      assertEquals(Deno.readTextFileSync(`${file}-moved`), "one\n");
      assertEquals(Deno.readTextFileSync(file), "first\ntwo\n");
    });
  });
});

Deno.test("a log that was removed is begun anew when its app starts again", () => {
  withLogs((logs) => {
    withClock(logs, (log, _pass, file) => {
      log.write(bytes("one\n"));
      Deno.removeSync(file);
      log.appStarts();
      log.write(bytes("two\n"));
      assertEquals(Deno.readTextFileSync(file), "two\n");
    });
  });
});

Deno.test("a log that was cut off goes on at its new end", () => {
  withLogs((logs) => {
    withClock(logs, (log, pass, file) => {
      log.write(bytes("one\n"));
      Deno.truncateSync(file);
      log.write(bytes("two\n"));
      pass(1);
      log.write(bytes("three\n"));
      assertEquals(Deno.readTextFileSync(file), "two\nthree\n");
    });
  });
});
