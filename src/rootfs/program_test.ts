import { assertEquals, assertThrows } from "@std/assert";
import type { Fd } from "../linux/fd.ts";
import { findProgram, programCandidates } from "./program.ts";
import { withRoot } from "./root_testing.ts";

/** The path of a program that is looked up. */
function find(root: Fd, name: string, searchPath = "/bin"): string {
  const environment = ["A=1", `PATH=${searchPath}`];
  return findProgram(root, { exec: [name], environment, workingDirectory: "/" }).path;
}

function writeFile(path: string, mode: number): void {
  Deno.writeTextFileSync(path, "");
  Deno.chmodSync(path, mode);
}

Deno.test("the first file that can be executed is the program", () => {
  withRoot(({ root, path }) => {
    for (const directory of ["a", "b", "c"]) Deno.mkdirSync(`${path}/${directory}`);
    writeFile(`${path}/a/tool`, 0o644);
    Deno.mkdirSync(`${path}/b/tool`);
    writeFile(`${path}/c/tool`, 0o755);
    assertEquals(find(root, "tool", "/missing:/a:/b:/c"), "/c/tool");
  });
});

Deno.test("a link to a program is followed inside the root", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/bin`);
    writeFile(`${path}/bin/real`, 0o755);
    Deno.symlinkSync("/bin/real", `${path}/bin/sh`);
    assertEquals(find(root, "/bin/sh"), "/bin/sh");
  });
});

Deno.test("an error says what is there instead, and where it was looked for", () => {
  withRoot(({ root, path }) => {
    writeFile(`${path}/data`, 0o644);
    const look = (name: string) => find(root, name, "/x:/y");
    assertThrows(() => look("/data"), Error, '"/data" is not executable');
    assertThrows(() => look("/"), Error, '"/" is a directory');
    assertThrows(() => look("/none"), Error, '"/none" is not in the app');
    assertThrows(() => look("none"), Error, "looked for the app's PATH, /x/none, /y/none");
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
    assertEquals(found, { path: "/tool", argv: ["/tool", "-a", ""], environment });
  });
});

Deno.test("without a PATH, a program is looked for in the working directory", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/srv`);
    writeFile(`${path}/srv/tool`, 0o755);
    const request = { exec: ["tool"], environment: [], workingDirectory: "/srv" };
    assertEquals(findProgram(root, request).path, "/srv/tool");
  });
});
