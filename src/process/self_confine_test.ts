import { assertEquals } from "@std/assert";
import { syscallNumber } from "../linux/syscall_table.ts";
import { CONFINEMENTS } from "./self_confine.ts";

/** Runs a program that confines itself, and prints what the kernel says of it and lets it do. */
function confined(call: string): string {
  const code = `
    import { selfConfine } from "${new URL("./self_confine.ts", import.meta.url)}";
    import { syscall } from "${new URL("../linux/libc.ts", import.meta.url)}";
    import { readKernelFile } from "${new URL("../linux/read_write.ts", import.meta.url)}";
    const attempt = (...call) => {
      try {
        const result = syscall(...call);
        return result;
      } catch (error) {
        return -error.errno;
      }
    };
    ${call};
    const status = readKernelFile("/proc/thread-self/status");
    const field = (name) => status.match(new RegExp("^" + name + ":\\\\s*(.*)$", "m"))[1];
    console.log(JSON.stringify({
      permitted: field("CapPrm"),
      effective: field("CapEff"),
      noNewPrivileges: field("NoNewPrivs"),
      filters: field("Seccomp"),
      unshare: attempt("unshare", 0x20000),
      unmount: attempt("umount2", "/nowhere", 0),
    }));
  `;
  // Not beside the sources: another test may digest these meanwhile.
  const path = Deno.makeTempFileSync({ suffix: ".ts" });
  Deno.writeTextFileSync(path, code);
  try {
    const args = ["run", "--allow-all", "--no-check", path];
    const { stdout, stderr } = new Deno.Command(Deno.execPath(), { args }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
    return text(stdout) || text(stderr);
  } finally {
    Deno.removeSync(path);
  }
}

const EPERM = -1;
const ENOENT = -2;
const root = { ignore: Deno.uid() !== 0 };

/** The sets as the kernel shows them: one bit for each capability, by its number. */
const STOP = "0000000000080024";
const GC = "0000000000280026";
const ENTER = "00000000002c002f";
const WAITING = "0000000000000020";
const APP_RM = "0000000000000026";
const NONE = "0000000000000000";

Deno.test("stop keeps three capabilities, and can neither mount nor unshare", root, () => {
  assertEquals(JSON.parse(confined('selfConfine("stop", () => {})')), {
    permitted: STOP,
    effective: STOP,
    noNewPrivileges: "1",
    filters: "2",
    unshare: EPERM,
    unmount: EPERM,
  });
});

Deno.test("gc can unmount, and cannot unshare", root, () => {
  assertEquals(JSON.parse(confined('selfConfine("gc", () => {})')), {
    permitted: GC,
    effective: GC,
    noNewPrivileges: "1",
    filters: "2",
    unshare: EPERM,
    unmount: ENOENT,
  });
});

Deno.test(
  "enter keeps what it takes to look at processes and to start one among them",
  root,
  () => {
    const { permitted, effective, noNewPrivileges, filters } = JSON.parse(
      confined('selfConfine("enter", () => {})'),
    );
    assertEquals({ permitted, effective, noNewPrivileges, filters }, {
      permitted: ENTER,
      effective: ENTER,
      noNewPrivileges: "0",
      filters: "0",
    });
  },
);

Deno.test("enter keeps one capability when its command runs, and cannot leave", root, () => {
  assertEquals(JSON.parse(confined('selfConfine("waiting", () => {})')), {
    permitted: WAITING,
    effective: WAITING,
    noNewPrivileges: "1",
    filters: "2",
    unshare: EPERM,
    unmount: EPERM,
  });
});

Deno.test("who only asks the supervisor keeps nothing; app-rm what removing takes", root, () => {
  for (const [role, kept] of [["asking", NONE], ["app-rm", APP_RM]]) {
    assertEquals(JSON.parse(confined(`selfConfine("${role}", () => {})`)), {
      permitted: kept,
      effective: kept,
      noNewPrivileges: "1",
      filters: "2",
      unshare: EPERM,
      unmount: EPERM,
    });
  }
});

Deno.test("a supervisor accepts, and nobody else who denies itself calls", () => {
  const accepting = Object.entries(CONFINEMENTS)
    .filter(([, role]) => "denied" in role && !("accept4" in role.denied))
    .map(([name]) => name);
  assertEquals(accepting, ["waiting", "lending"]);
});

Deno.test("run gives up capabilities alone, since its app inherits all else", root, () => {
  const { noNewPrivileges, filters, unshare } = JSON.parse(
    confined('selfConfine("run", () => {})'),
  );
  assertEquals({ noNewPrivileges, filters, unshare }, {
    noNewPrivileges: "0",
    filters: "0",
    unshare: 0,
  });
});

Deno.test("denied calls have the numbers of the table of all system calls", () => {
  for (const [name, numbers] of Object.entries(CONFINEMENTS.stop.denied)) {
    const expected = [syscallNumber(name, "x86_64"), syscallNumber(name, "aarch64")];
    assertEquals([...numbers], expected, name);
  }
});
