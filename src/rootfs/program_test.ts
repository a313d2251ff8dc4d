import { assertEquals, assertThrows } from "@std/assert";
import type { Fd } from "../linux/fd.ts";
import { findProgram, type FoundProgram, programCandidates } from "./program.ts";
import { withRoot } from "./root_testing.ts";

/** The files that a program may be. */
function find(root: Fd, name: string, searchPath = "/bin"): string[] {
  const environment = ["A=1", `PATH=${searchPath}`];
  return pathsOf(findProgram(root, { exec: [name], environment, workingDirectory: "/" }));
}

function pathsOf({ files }: FoundProgram): string[] {
  return files.map(({ path }) => path);
}

function writeFile(path: string, mode: number): void {
  Deno.writeTextFileSync(path, "#!/bin/sh\n");
  Deno.chmodSync(path, mode);
}

Deno.test("the program may be each file of its name in PATH that somebody may execute", () => {
  withRoot(({ root, path }) => {
    for (const directory of ["a", "b", "c", "d"]) Deno.mkdirSync(`${path}/${directory}`);
    writeFile(`${path}/a/tool`, 0o644);
    Deno.mkdirSync(`${path}/b/tool`);
    writeFile(`${path}/c/tool`, 0o700);
    writeFile(`${path}/d/tool`, 0o755);
    assertEquals(find(root, "tool", "/missing:/a:/b:/c:/d:/c"), ["/c/tool", "/d/tool"]);
  });
});

Deno.test("a link to a program is followed inside the root", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/bin`);
    writeFile(`${path}/bin/real`, 0o755);
    Deno.symlinkSync("/bin/real", `${path}/bin/sh`);
    assertEquals(find(root, "/bin/sh"), ["/bin/sh"]);
  });
});

Deno.test("an error says what is there instead, and where it was looked for", () => {
  withRoot(({ root, path }) => {
    writeFile(`${path}/data`, 0o644);
    const look = (name: string) => find(root, name, "/x:/y");
    assertThrows(() => look("/data"), Error, '"/data" is not executable');
    assertThrows(() => look("/"), Error, '"/" is a directory');
    assertThrows(
      () => look("/none"),
      Error,
      'Error: Unable to open "/none": No such file or directory',
    );
    assertThrows(() => look("none"), Error, "looked in the app's PATH: /x/none, /y/none");
  });
});

Deno.test("a part of PATH that cannot be walked keeps nobody from the next", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/bin`);
    Deno.symlinkSync("loop", `${path}/loop`);
    writeFile(`${path}/bin/tool`, 0o755);
    const long = `/${"x".repeat(300)}`;
    assertEquals(find(root, "tool", `/loop:${long}:/bin/tool:/bin`), ["/bin/tool"]);
    assertThrows(() => find(root, "none", "/loop"), Error, '"none" is not found: openat2("/loop');
  });
});

Deno.test("an empty part of PATH is the working directory", () => {
  assertEquals(programCandidates("a", ":/bin", "/srv/"), ["/srv/a", "/bin/a"]);
});

Deno.test("a program gets its path as its name, then its arguments and its variables", () => {
  withRoot(({ root, path }) => {
    writeFile(`${path}/tool`, 0o755);
    const environment = ["PATH=/", "PATH=/elsewhere", "B=2"];
    const found = findProgram(root, {
      exec: ["tool", "-a", ""],
      environment,
      workingDirectory: "/",
    });
    const [file, ...others] = found.files;
    assertEquals([file?.path, file?.argv, others], ["/tool", ["/tool", "-a", ""], []]);
    assertEquals(found.environment, environment);
  });
});

Deno.test("without a PATH, a program is looked for in the working directory", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/srv`);
    writeFile(`${path}/srv/tool`, 0o755);
    const request = { exec: ["tool"], environment: [], workingDirectory: "/srv" };
    assertEquals(pathsOf(findProgram(root, request)), ["/srv/tool"]);
  });
});
