import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { architecture, DIST } from "../tasks/project.ts";
import { provideRuntime } from "../tasks/runtime.ts";
import { compileNative, type NativeArchitecture, OWN_ARCHITECTURE } from "./native.ts";

const PROBE = fileURLToPath(new URL("launcher_probe.js", import.meta.url));

/** The output of the probe. */
interface Seen {
  args: string[];
  environment: Record<string, string>;
  execPath: string;
  exe: string;
  /** The bytes of /proc/self/cmdline. */
  commandLine: number[];
  maps: string;
  status: string;
  auxiliaryVector: Record<string, string>;
}

/** A directory with `probe`, a program behind the launcher, and its runtime. */
class Place implements Disposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "launcher-" });
  readonly probe = `${this.dir}/probe`;
  readonly runtime = `${this.dir}/denort`;

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

/** The probe behind the launcher, and, for comparison, behind the runtime itself. */
interface Programs {
  launched: string;
  plain: string;
  runtime: string;
}

let programs: Promise<Programs> | undefined;

/** Compiles the programs, once for all tests. */
async function compilePrograms(): Promise<Programs> {
  const runtime = await provideRuntime({ architecture: architecture() });
  const directory = `${DIST}/probe`;
  await Deno.mkdir(directory, { recursive: true });
  const launcher = `${directory}/launcher`;
  await Deno.writeFile(launcher, compileNative("launcher", OWN_ARCHITECTURE).bytes, {
    mode: 0o755,
  });
  const [launched, plain] = [`${directory}/launched`, `${directory}/plain`];
  await compile(launched, launcher);
  await compile(plain, runtime);
  return { launched, plain, runtime };
}

/**
 * Compiles the probe: with all permissions, as it reads files below /proc; and without V8's
 * compiler, whose memory is both writable and executable.
 */
async function compile(output: string, runtime: string): Promise<void> {
  const options = [
    "--quiet",
    "--no-config",
    "--no-code-cache",
    "--allow-all",
    "--v8-flags=--jitless",
  ];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["compile", ...options, `--output=${output}`, PROBE],
    env: { DENORT_BIN: runtime },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}

async function makePlace(): Promise<Place> {
  const { launched, runtime } = await (programs ??= compilePrograms());
  const place = new Place();
  await Deno.copyFile(launched, place.probe);
  await Deno.symlink(runtime, place.runtime);
  return place;
}

/** The way in which a program is started. */
interface Start {
  args?: string[];
  env?: Record<string, string>;
  /** The commands of a shell before it executes the program. */
  prelude?: string;
}

async function start(program: string, { args = [], env = {}, prelude = "" }: Start = {}) {
  const output = await new Deno.Command("sh", {
    args: ["-c", `${prelude}\nexec "$@"`, "sh", program, ...args],
    clearEnv: true,
    env,
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: decode(output.stdout), stderr: decode(output.stderr) };
}

async function see(program: string, how: Start = {}): Promise<Seen> {
  const { code, stdout, stderr } = await start(program, how);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return JSON.parse(stdout);
}

/** Lists the ranges of memory in which a file is mapped. */
function mappingsOf(maps: string, file: RegExp) {
  return maps.split("\n").filter((line) => file.test(line)).map((line) => {
    const [, start, end, protection] = line.match(/^(\w+)-(\w+) (\S+)/)!;
    return { start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), protection: protection! };
  });
}

async function assertRefused(program: string, message: RegExp, how: Start = {}): Promise<void> {
  const { code, stdout, stderr } = await start(program, how);
  assertEquals({ code, stdout }, { code: 254, stdout: "" }, stderr);
  assertMatch(stderr, /^[^\n]+\n$/);
  assertMatch(stderr, message);
}

/** The variables that the shell and the launcher add. */
function withoutAdded({ PWD: _, TMPDIR: __, ...rest }: Record<string, string>) {
  return rest;
}

Deno.test("a program begins as behind the runtime itself: arguments, variables, signals", async () => {
  using place = await makePlace();
  const { plain } = await programs!;
  const how: Start = {
    args: ["", "a b", "--", "ünï", "x".repeat(100_000)],
    env: { A: "1", EMPTY: "", LONG: "y".repeat(100_000), TMPDIR: "/caller" },
    prelude: "trap '' HUP USR2",
  };
  const [launched, expected] = [await see(place.probe, how), await see(plain, how)];
  assertEquals(launched.args, expected.args);
  assertEquals(withoutAdded(launched.environment), withoutAdded(expected.environment));
  const signals = ({ status }: Seen) => status.match(/^(Sig(?!Q)|Shd)\w+:.*$/gm);
  assertEquals(signals(launched), signals(expected));
});

/** What the launcher hands over in the place of an argument that is not UTF-8. */
const PLACEHOLDER = "(an argument that is not UTF-8)";

Deno.test("an argument that is not UTF-8 has a placeholder, and its bytes in /proc", async () => {
  using place = await makePlace();
  const prelude = `program=$1; set -- "$program" é "$(printf 'a\\377')" '' "$(printf '\\303')"`;
  const { args, commandLine } = await see(place.probe, { prelude });
  assertEquals(args, ["é", PLACEHOLDER, "", PLACEHOLDER]);
  const expected = [...new TextEncoder().encode(`${place.probe}\0é\0a`), 0xff, 0, 0, 0xc3, 0];
  assertEquals(commandLine, expected);
});

/** Bytes at and beside the limits of each range that UTF-8 has. */
const EDGES = [
  ...[0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf],
  ...[0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
];
const FOLLOWING = [0x7f, 0x80, 0xbf, 0xc0];

/** Sequences of one to four bytes at the limits of UTF-8. */
function edgeSequences(): Uint8Array[] {
  const longer = (some: number[][], next: number[]) =>
    some.flatMap((start) => next.map((byte) => [...start, byte]));
  const pairs = longer(EDGES.map((byte) => [byte]), EDGES);
  const triples = longer(pairs.filter(([first]) => first! >= 0xe0), EDGES);
  const quadruples = longer(
    longer(pairs.filter(([first]) => first! >= 0xf0), FOLLOWING),
    FOLLOWING,
  );
  return [...EDGES.map((byte) => [byte]), ...pairs, ...triples, ...quadruples]
    .map((bytes) => Uint8Array.from(bytes));
}

Deno.test("what is UTF-8 is decided as the runtime decides it", async () => {
  using place = await makePlace();
  const sequences = edgeSequences();
  // Deno passes no such bytes itself.
  const list = `${place.dir}/list`;
  await Deno.writeFile(list, Uint8Array.from(sequences.flatMap((bytes) => [...bytes, 0])));
  const args = ["--null", "--exit", `--max-args=${sequences.length}`, `--arg-file=${list}`];
  const seen = await see("xargs", { args: [...args, place.probe] });
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const expected = sequences.map((bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return PLACEHOLDER;
    }
  });
  assertEquals(seen.args, expected);
});

Deno.test("variables that are not UTF-8 stay away from the runtime", async () => {
  using place = await makePlace();
  const names = ["NODE_OPTIONS", "TERM", "HOME"];
  const prelude = names.map((name) => `export ${name}="$(printf '\\377')"`).join("\n");
  const { environment } = await see(place.probe, { prelude, env: { KEPT: "é" } });
  assertEquals(withoutAdded(environment), { KEPT: "é" });
});

Deno.test("the loader gets its variables, whatever their bytes", async () => {
  using place = await makePlace();
  const { maps } = await see(place.probe);
  const [libm] = maps.match(/\S*\/libm\.so\.6$/m)!;
  const [directory] = libm!.split("/libm");
  // The probe cannot have a look at such variables. A library that is missing is told on stderr.
  const preload = `export LD_PRELOAD="$(printf '${directory}/\\377.so')"`;
  const { stderr } = await start(place.probe, { prelude: preload });
  assertMatch(stderr, /object '[^']+\/\ufffd\.so' from LD_PRELOAD cannot be preloaded/);
});

Deno.test("what begins without variables gets one, the place of the code cache", async () => {
  using place = await makePlace();
  const how: Start = { prelude: "unset PWD OLDPWD" };
  assertEquals((await see(place.probe, how)).environment, { TMPDIR: "/dev/null" });
  await Deno.mkdir(`${place.dir}/code-cache`);
  assertEquals((await see(place.probe, how)).environment, { TMPDIR: "/proc/self/fd/63" });
});

Deno.test("a descriptor of the caller's stays, and is no place of the code cache", async () => {
  using place = await makePlace();
  await Deno.mkdir(`${place.dir}/code-cache`);
  const script = 'exec 63</ && exec "$@"';
  const how: Start = { args: ["-c", script, "bash", place.probe] };
  assertEquals((await see("bash", how)).environment["TMPDIR"], "/dev/null");
});

Deno.test("a program's file stays its own, also behind a link", async () => {
  using place = await makePlace();
  await Deno.symlink("probe", `${place.dir}/link`);
  for (const path of [place.probe, `${place.dir}/link`]) {
    const { exe, execPath } = await see(path);
    assertEquals({ exe, execPath }, { exe: place.probe, execPath: place.probe });
  }
});

Deno.test("the loader and libc are told where the runtime is", async () => {
  using place = await makePlace();
  const { maps, auxiliaryVector: found } = await see(place.probe);
  const runtime = mappingsOf(maps, /\/denort-|\/denort$/);
  const [header] = runtime;
  const loader = mappingsOf(maps, /\/ld-linux[^/]*$/);
  const code = runtime.find(({ protection }) => protection.includes("x"))!;
  assertEquals(found["AT_BASE"], `${loader[0]!.start}`);
  assertEquals(found["AT_PHDR"], `${header!.start + 64n}`);
  const entry = BigInt(found["AT_ENTRY"]!);
  assert(entry >= code.start && entry < code.end, maps);
  assertEquals(found["AT_SECURE"], "0");
});

Deno.test("addresses are random, and no memory is both written and executed", async () => {
  using place = await makePlace();
  const bases = new Set<bigint>();
  for (let i = 0; i < 3; i++) {
    const { maps } = await see(place.probe);
    assertEquals(maps.split("\n").filter((line) => /^\S+ .wx/.test(line)), []);
    bases.add(mappingsOf(maps, /\/denort/)[0]!.start);
    bases.add(mappingsOf(maps, /\/probe$/)[0]!.start);
  }
  assertEquals(bases.size, 6);
});

Deno.test("the loader's variables count as for any program", async () => {
  using place = await makePlace();
  const { maps } = await see(place.probe);
  const [libdl] = maps.match(/\S*\/libdl\.so\.2$/m)!;
  const [libm] = maps.match(/\S*\/libm\.so\.6$/m)!;
  await Deno.copyFile(libdl!, `${place.dir}/libdl.so.2`);
  await Deno.copyFile(libm!, `${place.dir}/preloaded.so`);
  const env = { LD_LIBRARY_PATH: place.dir, LD_PRELOAD: `${place.dir}/preloaded.so` };
  const seen = await see(place.probe, { env });
  assertEquals(mappingsOf(seen.maps, /\/launcher-\w+\/libdl\.so\.2$/).length > 0, true);
  assertEquals(mappingsOf(seen.maps, /\/launcher-\w+\/preloaded\.so$/).length > 0, true);
});

Deno.test("a low limit of address space is lifted, and handed over", async () => {
  using place = await makePlace();
  const { environment } = await see(place.probe, { prelude: "ulimit -S -v 4000000" });
  assertMatch(environment["STAGE1_VOLO_LIMITS"]!, /^9:4096000000:\d+$/);
});

Deno.test("a path of nearly all bytes that a path may have is no hindrance", async () => {
  using place = await makePlace();
  const long = `${place.dir}/${"d".repeat(250)}`;
  let dir = long;
  while (dir.length < 3_750) dir += `/${"d".repeat(250)}`;
  dir += `/${"e".repeat(4_000 - dir.length - "/probe".length - 1)}`;
  await Deno.mkdir(dir, { recursive: true });
  await Deno.rename(place.probe, `${dir}/probe`);
  await Deno.rename(place.runtime, `${dir}/denort`);
  assertEquals(`${dir}/probe`.length, 4_000);
  assertEquals((await see(`${dir}/probe`)).exe, `${dir}/probe`);
});

Deno.test("a path that is not UTF-8 is named in one line", async () => {
  using place = await makePlace();
  const prelude = `odd="${place.dir}/$(printf '\\377')"; mkdir "$odd"
    cp "${place.probe}" "$odd/probe"; cp -P "${place.runtime}" "$odd/denort"; set -- "$odd/probe"`;
  await assertRefused(place.probe, /probe: its path is not UTF-8, as the runtime needs it\n$/, {
    prelude,
  });
});

Deno.test("a program whose file is deleted, or another by now, says so", async () => {
  using place = await makePlace();
  const held = `exec 9<"${place.probe}"; rm "${place.probe}"`;
  await assertRefused("/proc/self/fd/9", /probe \(deleted\): .* not there any more\n$/, {
    prelude: held,
  });
  using again = await makePlace();
  const replaced = `exec 9<"${again.probe}"; echo >"${again.dir}/new"
    mv "${again.dir}/new" "${again.probe}"`;
  await assertRefused("/proc/self/fd/9", /not there any more\n$/, { prelude: replaced });
});

/** Files in place of the runtime. */
async function withRuntime(bytes: Uint8Array | undefined, message: RegExp): Promise<void> {
  using place = await makePlace();
  await Deno.remove(place.runtime);
  if (bytes) await Deno.writeFile(place.runtime, bytes);
  await assertRefused(place.probe, message);
}

/** Makes the head of an ELF file of this processor, with a loader and one segment. */
function elf(
  { machine = architecture().elf, type = 3, loader = "/nowhere/ld.so\0", flags = 5 } = {},
) {
  const bytes = new Uint8Array(64 + 2 * 56 + 64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const [PT_LOAD, PT_INTERP] = [1, 3];
  view.setUint32(64, PT_LOAD, true);
  view.setUint32(68, flags, true);
  view.setBigUint64(64 + 32, BigInt(bytes.length), true);
  view.setBigUint64(64 + 40, BigInt(bytes.length), true);
  view.setUint32(120, PT_INTERP, true);
  view.setBigUint64(120 + 8, BigInt(64 + 112), true);
  view.setBigUint64(120 + 32, BigInt(loader.length), true);
  bytes.set(new TextEncoder().encode(loader), 64 + 112);
  return bytes;
}

Deno.test("a runtime that is missing or none is named in one line", async () => {
  await withRuntime(undefined, /^probe: \S+\/denort: there is no such file\n$/);
  await withRuntime(new Uint8Array(), /^probe: \S+\/denort: it is not an ELF file of 64 bits\n$/);
  const script = new TextEncoder().encode("#!/bin/sh\n".repeat(10));
  await withRuntime(script, /^probe: \S+\/denort: it is not an ELF file of 64 bits\n$/);
  await withRuntime(elf({ machine: 8 }), /^probe: \S+\/denort: it is for another processor\n$/);
  await withRuntime(elf({ type: 2 }), /^probe: \S+\/denort: it is not position-independent\n$/);
});

Deno.test("a host without the runtime's loader is told which", async () => {
  await withRuntime(elf(), /^probe: \/nowhere\/ld\.so: there is no such file\n$/);
});

Deno.test("memory that is written and executed is refused", async () => {
  const loader = `${
    Deno.build.arch === "x86_64" ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux-aarch64.so.1"
  }\0`;
  await withRuntime(elf({ loader, flags: 7 }), /: it has memory that is written and executed\n$/);
});

const IS_ROOT = Deno.uid() === 0;

/** Has a shell make mounts, in a namespace of its own, before it executes the program. */
async function startUnshared(program: string, prelude: string) {
  const command = `set -e\n${prelude}\nexec "$1"`;
  const args = ["--mount", "--propagation", "private", "sh", "-c", command, "sh", program];
  return await start("unshare", { args, env: { PATH: Deno.env.get("PATH") ?? "" } });
}

Deno.test({ name: "a host without /proc is told that", ignore: !IS_ROOT }, async () => {
  using place = await makePlace();
  const result = await startUnshared(place.probe, "mount -t tmpfs none /proc");
  assertEquals(result, {
    code: 254,
    stdout: "",
    stderr: "probe: /proc/self/exe: there is no such file\n",
  });
});

Deno.test({ name: "a runtime that must not be executed is named", ignore: !IS_ROOT }, async () => {
  using place = await makePlace();
  const { runtime } = await programs!;
  await Deno.remove(place.runtime);
  await Deno.mkdir(`${place.dir}/noexec`);
  await Deno.symlink("noexec/denort", place.runtime);
  const { code, stderr } = await startUnshared(
    place.probe,
    `mount -t tmpfs -o noexec none ${place.dir}/noexec; cp ${runtime} ${place.dir}/noexec/denort`,
  );
  assertEquals({ code, stderr }, {
    code: 254,
    stderr: `probe: ${place.runtime}: its file system is mounted noexec\n`,
  });
  // The kernel executes no program on such a file system.
  const whole = await startUnshared(
    `${place.dir}/noexec/probe`,
    `mount -t tmpfs -o noexec none ${place.dir}/noexec; cp ${place.probe} ${place.dir}/noexec`,
  );
  assertEquals(whole.code, 126);
});

/** Takes a program of libc as the runtime, to test the launcher on an emulated processor. */
const OTHER_RUNTIME = `
#include <stdio.h>
#include <sys/auxv.h>
extern char **environ;
int main(int argc, char **argv) {
  static char zero[1 << 16];
  for (unsigned i = 0; i < sizeof zero; i++) if (zero[i]) return 1;
  for (int i = 1; i < argc; i++) puts(argv[i]);
  for (char **each = environ; *each; each++) puts(*each);
  return getauxval(AT_ENTRY) && getauxval(AT_PHNUM) > 2 ? 7 : 1;
}
`;

const EMULATED = {
  arch: "aarch64",
  compiler: "aarch64-linux-gnu-gcc",
  emulator: "qemu-aarch64-static",
  libraries: "/usr/aarch64-linux-gnu",
} as const;

function missingToEmulate(): string[] {
  const { compiler, emulator, libraries } = EMULATED;
  const found = [`/usr/bin/${compiler}`, `/usr/bin/${emulator}`, `${libraries}/lib/libc.so.6`];
  return found.filter((path) => {
    try {
      return !Deno.statSync(path);
    } catch {
      return true;
    }
  });
}

const missing = missingToEmulate();
Deno.test({
  name: `arm64's launcher begins a runtime${
    missing.length ? ` (needs ${missing.join(", ")})` : ""
  }`,
  ignore: missing.length > 0,
}, async () => {
  using place = new Place();
  await Deno.writeFile(place.probe, compileNative("launcher", EMULATED.arch).bytes, {
    mode: 0o755,
  });
  await Deno.writeTextFile(`${place.dir}/runtime.c`, OTHER_RUNTIME);
  const compile = [
    EMULATED.compiler,
    "-pie",
    "-fpie",
    "-o",
    place.runtime,
    `${place.dir}/runtime.c`,
  ];
  const { code } = await start(compile[0]!, {
    args: compile.slice(1),
    env: { PATH: Deno.env.get("PATH")! },
  });
  assertEquals(code, 0);
  const emulate = { args: ["-L", EMULATED.libraries, place.probe, "a", "b c"], env: { A: "1" } };
  const result = await start(`/usr/bin/${EMULATED.emulator}`, { ...emulate, prelude: "unset PWD" });
  assertEquals(result, {
    code: 7,
    stdout: "a\nb c\nA=1\nTMPDIR=/dev/null\n",
    stderr: "",
  });
});

const COMPILERS: Record<NativeArchitecture, string> = {
  amd64: Deno.build.arch === "x86_64" ? "gcc" : "x86_64-linux-gnu-gcc",
  aarch64: Deno.build.arch === "aarch64" ? "gcc" : "aarch64-linux-gnu-gcc",
};

for (const arch of ["amd64", "aarch64"] as const) {
  const ignore = !Deno.env.get("PATH")!.split(":").some((dir) => {
    try {
      return Deno.statSync(`${dir}/${COMPILERS[arch]}`).isFile;
    } catch {
      return false;
    }
  });
  Deno.test({
    name: `the launcher is small, at no fixed address, and needs no loader: ${arch}` +
      (ignore ? ` (needs ${COMPILERS[arch]})` : ""),
    ignore,
  }, () => {
    const { bytes } = compileNative("launcher", arch);
    assert(bytes.length < 8192, `${bytes.length} bytes`);
    assertEquals(compileNative("launcher", arch).bytes, bytes);
    const view = new DataView(bytes.buffer);
    const ET_DYN = 3;
    assertEquals(view.getUint16(16, true), ET_DYN);
    const [PT_LOAD, PT_DYNAMIC, PT_GNU_STACK] = [1, 2, 0x6474_e551];
    const [EXECUTABLE, WRITABLE] = [1, 2];
    const known = new Set([PT_LOAD, PT_DYNAMIC, PT_GNU_STACK]);
    for (let i = 0; i < view.getUint16(56, true); i++) {
      const at = 64 + i * 56;
      const [type, flags] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      assert(known.has(type), `a program header of type ${type}`);
      assertNotEquals(flags & (EXECUTABLE | WRITABLE), EXECUTABLE | WRITABLE);
    }
  });
}
