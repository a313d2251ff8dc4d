import { assertEquals, assertThrows } from "@std/assert";
import { findProgram, programCandidates } from "./program.ts";
import { withRoot } from "./root_testing.ts";

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
    const candidates = programCandidates("tool", "/missing:/a:/b:/c", "/");
    assertEquals(findProgram(root, "tool", candidates), "/c/tool");
  });
});

Deno.test("a link to a program is followed inside the root", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/bin`);
    writeFile(`${path}/bin/real`, 0o755);
    Deno.symlinkSync("/bin/real", `${path}/bin/sh`);
    assertEquals(findProgram(root, "/bin/sh", ["/bin/sh"]), "/bin/sh");
  });
});

Deno.test("an error says what is there instead, and where it was looked for", () => {
  withRoot(({ root, path }) => {
    writeFile(`${path}/data`, 0o644);
    const find = (name: string) => findProgram(root, name, programCandidates(name, "/x:/y", "/"));
    assertThrows(() => find("/data"), Error, '"/data" is not executable');
    assertThrows(() => find("/"), Error, '"/" is a directory');
    assertThrows(() => find("/none"), Error, '"/none" is not in the app');
    assertThrows(() => find("none"), Error, "looked for the app's PATH, /x/none, /y/none");
  });
});

Deno.test("an empty part of PATH is the working directory", () => {
  assertEquals(programCandidates("a", ":/bin", "/srv/"), ["/srv/a", "/bin/a"]);
});
