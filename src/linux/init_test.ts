import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { compileNative, OWN_ARCHITECTURE } from "../../image/native.ts";
import type { CallScript } from "./call_script.ts";
import { ownChildren } from "./children_testing.ts";
import { ERRNO, SyscallError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { launchProcess, openInit, recordEntrance, startProcess } from "./init.ts";
import { makeSealedCopy } from "./memory_file.ts";
import { O_RDONLY, O_RDWR, openFile } from "./open.ts";
import { setMode } from "./ownership.ts";
import { makePipe } from "./pipe.ts";
import { parentOf } from "./proc.ts";
import { dieWithParent } from "./process.ts";
import { readBytes, readText, writeText } from "./read_write.ts";
import { SIGKILL, SIGTERM } from "./signal_numbers.ts";
import { changeOf, endOf, waitForAllUntil } from "./wait.ts";

/** Where `init` is, while a test runs. */
function withInit(test: (init: string) => void): void {
  const init = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(init, compileNative("init", OWN_ARCHITECTURE).bytes);
    Deno.chmodSync(init, 0o755);
    test(init);
  } finally {
    Deno.removeSync(init);
  }
}

/** Ends a list with a shell. */
function recordShell({ call }: CallScript, text: string): void {
  call("execve", "/bin/sh", ["sh", "-c", text, null], ["PATH=/usr/bin:/bin", null]);
}

/** What a process writes to a pipe, which it has as its standard output. */
function outputOf(init: string, text: string, fds: readonly Fd[] = []): string {
  const { readEnd: reader, writeEnd: writer } = makePipe();
  using output = reader;
  const pid = startProcess({
    init,
    fds: [writer, ...fds],
    record: (script) => {
      script.call("dup3", writer.number, 1, 0);
      recordShell(script, text);
    },
  });
  writer[Symbol.dispose]();
  assertEquals(endOf(pid), { status: 0 });
  return readText(output, 1000);
}

Deno.test("a process makes its calls, and becomes its program", () => {
  withInit((init) => {
    const pid = startProcess({ init, fds: [], record: (script) => recordShell(script, "exit 3") });
    assertEquals(parentOf(pid), Deno.pid);
    assertEquals(endOf(pid), { status: 3 });
  });
});

Deno.test("a program gets the three descriptors of its list, and none that the list used", () => {
  withInit((init) => {
    const { readEnd: reader, writeEnd: writer } = makePipe();
    using _reader = reader;
    using _writer = writer;
    const open = outputOf(init, "cd /proc/self/fd && echo *", [reader, writer]);
    assertEquals(open.trim().split(" ").filter((fd) => Number(fd) < 3), ["0", "1", "2"]);
    for (const { number } of [reader, writer]) assertEquals(open.includes(` ${number} `), false);
  });
});

/** Writes to a process's standard output, which is a pipe. */
function recordWrite({ call }: CallScript, text: string): void {
  call("write", 1, text, text.length);
}

Deno.test("a process makes the calls of a second list in a program of its own", () => {
  withInit((init) => {
    const { readEnd, writeEnd } = makePipe();
    using output = readEnd;
    const pid = startProcess({
      init,
      fds: [writeEnd],
      record: (script) => {
        script.call("dup3", writeEnd.number, 1, 0);
        recordWrite(script, "one ");
      },
      recordReexec: (script) => {
        recordWrite(script, "two ");
        recordShell(script, "echo three");
      },
    });
    writeEnd[Symbol.dispose]();
    assertEquals(endOf(pid), { status: 0 });
    assertEquals(readText(output, 1000), "one two three\n");
  });
});

Deno.test("a call of a second list that fails is this process's error too", () => {
  withInit((init) => {
    const recordReexec = ({ call }: CallScript) => call("chdir", "/nowhere");
    const start = () => startProcess({ init, fds: [], record: () => {}, recordReexec });
    assertThrows(start, SyscallError, 'chdir("/nowhere"): ENOENT');
  });
});

Deno.test("a call that fails is this process's error, and no process is left", () => {
  withInit((init) => {
    const before = ownChildren();
    const record = (script: CallScript) => {
      script.call("chdir", "/nowhere");
      recordShell(script, "exit 0");
    };
    const message = 'chdir("/nowhere"): ENOENT';
    assertThrows(() => startProcess({ init, fds: [], record }), SyscallError, message);
    assertThrows(
      () =>
        startProcess({ init, fds: [], record: ({ call }) => call("execve", "/etc", [null], 0) }),
      SyscallError,
      'execve("/etc"): EACCES',
    );
    assertEquals(ownChildren(), before);
  });
});

/** Where each path leads, tried in turn: the first that can be executed, or the error. */
function startFirstOf(init: string, paths: readonly string[]): number {
  const forms = paths.map((path) => ({
    args: [path, [path, "-c", "exit 3", null], [null]],
    description: `execute ${path}`,
  }));
  const record = (script: CallScript) =>
    script.firstOf("execve", forms, [ERRNO.EACCES, ERRNO.ENOENT, ERRNO.ENOTDIR]);
  return startProcess({ init, fds: [], record });
}

Deno.test("a process becomes the first of several programs that can be executed", () => {
  withInit((init) => {
    const paths = ["/nowhere", "/etc", "/bin/sh/x", "/bin/sh", "/nowhere"];
    assertEquals(endOf(startFirstOf(init, paths)), { status: 3 });
  });
});

Deno.test("of several programs that cannot be executed, one that may not be is reported", () => {
  withInit((init) => {
    const refused = (...paths: string[]) => {
      const { message } = assertThrows(() => startFirstOf(init, paths), SyscallError);
      return message.replace(/,.*/, "");
    };
    assertEquals(refused("/nowhere", "/etc", "/usr", "/gone"), "execute /etc: EACCES");
    assertEquals(refused("/nowhere", "/gone"), "execute /gone: ENOENT");
    assertEquals(refused("/nowhere", "/bin/sh/x", "/etc"), "execute /etc: EACCES");
  });
});

Deno.test("an error that is not to be passed over ends the search for a program", () => {
  withInit((init) => {
    const long = `/${"x".repeat(300)}`;
    const start = () => startFirstOf(init, ["/etc", long, "/bin/sh"]);
    assertThrows(start, SyscallError, "ENAMETOOLONG");
  });
});

/** A process that is launched, and becomes a shell. */
function launchShell(init: string, text: string, inSight?: (script: CallScript) => void): number {
  return launchProcess({
    init,
    fds: [],
    record: (script) => {
      recordEntrance(script);
      inSight?.(script);
      recordShell(script, text);
    },
  });
}

Deno.test("a process that is launched is this one's child, not who prepared it", () => {
  withInit((init) => {
    const pid = launchShell(init, "exit 3");
    assertEquals(parentOf(pid), Deno.pid);
    assertEquals(endOf(pid), { status: 3 });
    assertThrows(() => waitForAllUntil(0), SyscallError, "ECHILD");
  });
});

Deno.test("what fails on either side of the entrance is this process's error, and none is left", () => {
  withInit((init) => {
    const before = ownChildren();
    const message = 'chdir("/nowhere"): ENOENT';
    const fail = (script: CallScript) => script.call("chdir", "/nowhere");
    assertThrows(() => launchShell(init, "exit 3", fail), SyscallError, message);
    const record = (script: CallScript) => {
      fail(script);
      recordEntrance(script);
    };
    assertThrows(() => launchProcess({ init, fds: [], record }), SyscallError, message);
    assertEquals(ownChildren(), before);
  });
});

Deno.test("a launched process that does not come to its program counts as started", () => {
  withInit((init) => {
    const wait = (script: CallScript) => script.call("ppoll", null, 0, null, null, 0);
    const pid = launchShell(init, "exit 3", wait);
    assertEquals(changeOf(pid), undefined);
    Deno.kill(pid, "SIGKILL");
    assertEquals(endOf(pid), { signal: SIGKILL });
  });
});

const root = { ignore: Deno.uid() !== 0 };

Deno.test("nobody can write to what is executed as init, nor change its mode", root, () => {
  withInit((path) => {
    using init = openInit(path);
    const through = `/proc/self/fd/${init.number}`;
    assertThrows(() => openFile(through, O_RDWR), SyscallError, "EROFS");
    using again = openFile(through, O_RDONLY);
    assertThrows(() => setMode(again, 0), SyscallError, "EROFS");
  });
});

Deno.test("nobody can write to a sealed copy", () => {
  withInit((path) => {
    using init = makeSealedCopy(path);
    using again = openFile(`/proc/self/fd/${init.number}`, O_RDWR);
    assertThrows(() => writeText(again, "x"), SyscallError, "EPERM");
    assertEquals(readBytes(init, Infinity), Deno.readFileSync(path));
  });
});

Deno.test("what becomes of a child is told once, as it happens", () => {
  withInit((init) => {
    const text = "kill -STOP $$; kill -TERM $$";
    const record = (script: CallScript) => {
      dieWithParent(script.call);
      recordShell(script, text);
    };
    const pid = startProcess({ init, fds: [], record });
    const next = () => {
      for (let change = changeOf(pid);; change = changeOf(pid)) if (change) return change;
    };
    assertEquals(next(), "stopped");
    assertEquals(changeOf(pid), undefined);
    Deno.kill(pid, "SIGCONT");
    assertEquals(next(), { signal: SIGTERM });
  });
});
