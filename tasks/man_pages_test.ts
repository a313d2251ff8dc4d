import { assertEquals } from "@std/assert";
import { which } from "../tests/host.ts";
import { MAN_DIRECTORY, manPages } from "./man_pages.ts";
import { ROOT } from "./project.ts";

const MAN = which("man");
const DIRECTORY = `${ROOT}/${MAN_DIRECTORY}`;

Deno.test("the manual pages are those of this code: deno task explain --man writes them", () => {
  const pages = manPages();
  const files = [...Deno.readDirSync(DIRECTORY)].map(({ name }) => name).sort();
  assertEquals(files, [...pages.keys()].sort());
  for (const [file, text] of pages) {
    assertEquals(Deno.readTextFileSync(`${DIRECTORY}/${file}`), text, file);
  }
});

for (const file of manPages().keys()) {
  Deno.test({
    name: `man shows ${file} without a complaint${MAN ? "" : " (needs man)"}`,
    ignore: MAN === undefined,
    fn() {
      const args = ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", `${DIRECTORY}/${file}`];
      const { code, stderr } = new Deno.Command("man", { args }).outputSync();
      assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    },
  });
}
