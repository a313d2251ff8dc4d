import { assertEquals } from "@std/assert";
import { O_PATH, openInRoot } from "../linux/open.ts";
import { obstacleOf, unableToOpen } from "./program_obstacle.ts";
import { type TestRoot, withRoot } from "./root_testing.ts";

/** The files of an app, by their paths: each a text, which can be executed, or how to make it. */
type Files = Record<string, string | ((path: string) => void)>;

const ELF = { x86_64: 62, aarch64: 183 }[Deno.build.arch as string]!;

/** The header of a program that needs no interpreter, as text. */
function elf(machine: number): (path: string) => void {
  const bytes = new Uint8Array(64);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  new DataView(bytes.buffer).setUint16(18, machine, true);
  return (path) => Deno.writeFileSync(path, bytes, { mode: 0o755 });
}

function write({ path: root }: TestRoot, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    const place = `${root}${path}`;
    Deno.mkdirSync(place.slice(0, place.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(place, content, { mode: 0o755 });
    else content(place);
  }
}

/** What keeps `/x` from being executed. */
function obstacle(files: Files, workingDirectory = "/"): string | undefined {
  let found: string | undefined;
  withRoot((test) => {
    write(test, files);
    using file = openInRoot(test.root, "/x", O_PATH);
    found = obstacleOf(file, { root: test.root, workingDirectory });
  });
  return found;
}

Deno.test("a program whose interpreters are all there has nothing in its way", () => {
  assertEquals(obstacle({ "/x": elf(ELF) }), undefined);
  assertEquals(obstacle({ "/x": "#!/y\n", "/y": "#!/z -x\n", "/z": elf(ELF) }), undefined);
});

Deno.test("an interpreter that is missing is named, with all that lead to it", () => {
  assertEquals(
    obstacle({ "/x": "#!/usr/bin/python3\n" }),
    'needs an interpreter that is not in the app: Error: Unable to open "/usr/bin/python3": ' +
      "No such file or directory",
  );
  assertEquals(
    obstacle({ "/x": "#!/y\n", "/y": "#!/z\n" }),
    'needs the interpreter "/y", which needs an interpreter that is not in the app: ' +
      'Error: Unable to open "/z": No such file or directory',
  );
});

Deno.test("a carriage return at the end of a script's first line is seen", () => {
  assertEquals(
    obstacle({ "/x": "#!/bin/sh\r\n", "/bin/sh": elf(ELF) }),
    'needs an interpreter that is not in the app: Error: Unable to open "/bin/sh\\r": ' +
      "No such file or directory",
  );
});

Deno.test("an interpreter is looked up in the app, and from its working directory", () => {
  const files = { "/x": "#!bin/y\n", "/srv/bin/y": elf(ELF) };
  assertEquals(obstacle(files, "/srv"), undefined);
  assertEquals(obstacle(files)?.endsWith(unableToOpen("bin/y")), true);
  const outside = "/../../../../../bin/sh";
  assertEquals(obstacle({ "/x": `#!${outside}\n` })?.endsWith(unableToOpen(outside)), true);
});

Deno.test("an interpreter that cannot be one is not read", () => {
  const cases: [string, string | ((path: string) => void)][] = [
    ["is not a file", (path) => Deno.mkdirSync(path)],
    ["is not a file", (path) => new Deno.Command("mkfifo", { args: [path] }).outputSync()],
    ["is not executable", (path) => Deno.writeTextFileSync(path, "", { mode: 0o644 })],
    ["is an empty file", ""],
    ["is a program for s390", elf(22)],
    ['is neither an ELF program nor a script that begins with "#!"', "echo"],
  ];
  for (const [why, content] of cases) {
    const found = obstacle({ "/x": "#!/y\n", "/y": content });
    assertEquals(found, `needs the interpreter "/y", which ${why}`);
  }
});

Deno.test("interpreters that need each other are followed no further than the kernel does", () => {
  assertEquals(obstacle({ "/x": "#!/y\n", "/y": "#!/x\n" }), undefined);
});

Deno.test("a link of an interpreter that leads nowhere or in a circle is no error", () => {
  const link = (to: string) => (path: string) => Deno.symlinkSync(to, path);
  assertEquals(
    obstacle({ "/x": "#!/y\n", "/y": link("gone") }),
    `needs an interpreter that is not in the app: ${unableToOpen("/y")}`,
  );
  assertEquals(obstacle({ "/x": "#!/y\n", "/y": link("y") }), undefined);
});
