import { assertEquals, assertThrows } from "@std/assert";
import { withRoot } from "./root_testing.ts";
import { findWay } from "./way.ts";

/** A path, the links on its way, where it ends, and the directories that it passes. */
const WAYS: [string, Record<string, string>, string, string[]][] = [
  ["/a/b", {}, "/a/b", ["/", "/a"]],
  ["a//./b/", {}, "/a/b", ["/", "/a"]],
  ["/a/../../b", {}, "/b", ["/"]],
  ["/link/x", { link: "/there" }, "/there/x", ["/", "/there"]],
  ["/d/link", { "d/link": "../there/deep" }, "/there/deep", ["/", "/d", "/there"]],
  ["/d/link/..", { "d/link": "/there/deep" }, "/there", ["/", "/d", "/there"]],
  ["/one", { one: "two", two: "../../three/x" }, "/three/x", ["/", "/three"]],
  ["/d/link/x", { "d/link": "/" }, "/x", ["/", "/d"]],
  ["/file/x", {}, "/file/x", ["/", "/file"]],
];

for (const [path, links, place, directories] of WAYS) {
  Deno.test(`the way of ${path} with links ${JSON.stringify(links)}`, () => {
    withRoot(({ root, path: outer }) => {
      Deno.mkdirSync(`${outer}/d`);
      Deno.writeTextFileSync(`${outer}/file`, "");
      for (const [name, to] of Object.entries(links)) Deno.symlinkSync(to, `${outer}/${name}`);
      const way = findWay(root, path);
      assertEquals(way.place, place);
      assertEquals([...way.passes].toSorted(), [...new Set([...directories, place])].toSorted());
    });
  });
}

Deno.test("links that go round in circles have no way", () => {
  withRoot(({ root, path }) => {
    Deno.symlinkSync("loop/x", `${path}/loop`);
    assertThrows(() => findWay(root, "/loop"), Error, "too many symbolic links");
  });
});
