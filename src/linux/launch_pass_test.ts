import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { compileNative, OWN_ARCHITECTURE } from "../../image/native.ts";
import type { CallScript } from "./call_script.ts";
import { CLONE_NEWUSER } from "./clone_flags.ts";
import { SyscallError } from "./errno.ts";
import { startProcess } from "./init.ts";
import { makePass, PASSED_SYSCALLS } from "./launch_pass.ts";
import { resolveFilter } from "./named_filter.ts";
import { recordFilter } from "./seccomp.ts";
import type { Pass } from "./syscall_filter.ts";
import { ARCHITECTURE } from "./syscall_numbers.ts";
import { endOf } from "./wait.ts";

const root = { ignore: Deno.uid() !== 0 };
const SIGCHLD = 17;
const PR_SET_PDEATHSIG = 1;
const TCGETS = 0x5401;

/** Runs a list of calls in a process of its own, to the end of what it becomes. */
function endOfProcess(record: (script: CallScript) => void): unknown {
  const init = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(init, compileNative("init", OWN_ARCHITECTURE).bytes);
    Deno.chmodSync(init, 0o755);
    return endOf(startProcess({ init, fds: [], record }));
  } finally {
    Deno.removeSync(init);
  }
}

/**
 * A filter that refuses a program all that a pass is for but its end, and lets a shell do the rest.
 */
function recordRefusal({ call }: CallScript, pass: Pass): void {
  const syscalls = ["clone", ...PASSED_SYSCALLS.filter((name) => name !== "exit_group")];
  const filter = resolveFilter({ mode: "deny", syscalls, errno: "ENOTTY" }, ARCHITECTURE);
  recordFilter({ ...filter, pass }, call);
}

const PROGRAM = ["/bin/sh", ["sh", "-c", "exit 3", null], [null]] as const;
/** A child that goes through the rest of the list as well. */
const CHILD = [SIGCHLD, 0, 0, 0] as const;

Deno.test("with its pass a process makes its last calls, and becomes its program", root, () => {
  const pass = makePass();
  const end = endOfProcess((script) => {
    recordRefusal(script, pass);
    script.passFilter(pass.words);
    script.call("prctl", PR_SET_PDEATHSIG, 9);
    script.call("setsid");
    script.try("ioctl", 0, TCGETS);
    script.call("clone", ...CHILD);
    script.call("execve", ...PROGRAM);
  });
  assertEquals(end, { status: 3 });
});

const withoutPass: [what: string, record: (script: CallScript, pass: Pass) => void][] = [
  ["prctl", ({ call }) => call("prctl", PR_SET_PDEATHSIG, 9, 0, 0, 0)],
  ["setsid", ({ call }) => call("setsid")],
  ["clone", ({ call }) => call("clone", ...CHILD, 0)],
  ["execve", ({ call }) => call("execve", ...PROGRAM)],
  ["setsid", (script, pass) => {
    script.passFilter(makeOther(pass));
    script.call("setsid");
  }],
];

/** The words of the pass, except for one bit of the last one. */
function makeOther({ words: [first, second] }: Pass): Pass["words"] {
  return [first, second ^ 1n << 63n];
}

for (const [what, record] of withoutPass) {
  Deno.test(`without its words a process cannot call ${what}`, root, () => {
    const pass = makePass();
    const error = assertThrows(
      () =>
        endOfProcess((script) => {
          recordRefusal(script, pass);
          record(script, pass);
        }),
      SyscallError,
      what,
    );
    assertEquals(error.is("ENOTTY"), true);
  });
}

Deno.test("no pass is for a new namespace", root, () => {
  const pass = makePass();
  const error = assertThrows(
    () =>
      endOfProcess((script) => {
        recordRefusal(script, pass);
        script.passFilter(pass.words);
        script.call("clone", SIGCHLD | CLONE_NEWUSER);
      }),
    SyscallError,
    "clone",
  );
  assertEquals(error.is("EPERM"), true);
});

Deno.test("each pass has words of its own", () => {
  const words = [makePass(), makePass()].flatMap((pass) => pass.words);
  assertEquals(new Set(words).size, 4);
});
