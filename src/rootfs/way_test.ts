import { assertEquals, assertThrows } from "@std/assert";
import { statFd } from "../linux/stat.ts";
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

Deno.test("a way tells the first thing that is missing, and in which mounts its links are", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/d`);
    Deno.symlinkSync("/d/x/../y", `${path}/link`);
    const { missing, linkMounts } = findWay(root, "/link/z");
    assertEquals(missing, { directory: "d", name: "x", rest: ["..", "y", "z"] });
    assertEquals([...linkMounts], [statFd(root).mountId]);
    assertEquals(findWay(root, "/new").missing, { directory: "", name: "new", rest: [] });
    assertEquals(findWay(root, "/d").missing, undefined);
    assertEquals(findWay(root, "/d").linkMounts.size, 0);
  });
});
