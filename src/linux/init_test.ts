import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { initProgram } from "../../image/init.ts";
import type { CallScript } from "./call_script.ts";
import { SyscallError } from "./errno.ts";
import { type Fd, makePipe, readText } from "./file.ts";
import { recordDieWith, startProcess } from "./init.ts";
import { changeOf, childrenOf, dieWithParent, endOf, parentOf, SIGTERM } from "./process.ts";

/** Where `init` is, while a test runs. */
function withInit(test: (init: string) => void): void {
  const init = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(init, initProgram(Deno.build.arch === "aarch64" ? "aarch64" : "amd64"));
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
      recordAgain: (script) => {
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
    const recordAgain = ({ call }: CallScript) => call("chdir", "/nowhere");
    const start = () => startProcess({ init, fds: [], record: () => {}, recordAgain });
    assertThrows(start, SyscallError, 'chdir("/nowhere"): ENOENT');
  });
});

Deno.test("a call that fails is this process's error, and no process is left", () => {
  withInit((init) => {
    const before = childrenOf(Deno.pid);
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
    assertEquals(childrenOf(Deno.pid), before);
  });
});

Deno.test("a process does not become its program once who starts it is gone", () => {
  withInit((init) => {
    const { readEnd: reader, writeEnd: writer } = makePipe();
    using starter = writer;
    const start = () =>
      startProcess({
        init,
        fds: [starter],
        record: (script) => {
          recordDieWith(starter, script);
          recordShell(script, "exit 3");
        },
      });
    assertEquals(endOf(start()), { status: 3 });
    reader[Symbol.dispose]();
    assertEquals(endOf(start()), { status: 0 });
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
