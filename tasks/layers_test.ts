/**
 * The layers of the house: which room may import which. No import leads back to where it came from.
 */

import { assertEquals } from "@std/assert";
import { dirname, normalize } from "node:path";
import { ROOT } from "./project.ts";

/** What each room may import beside itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  entry: ["pod", "stage1"],
  pod: [
    ...["process", "rootfs", "cgroup", "stream", "network", "control"],
    ...["plan", "stage1", "appc", "linux"],
  ],
  process: ["plan", "stage1", "linux"],
  rootfs: ["plan", "stage1", "linux"],
  cgroup: ["plan", "stage1", "linux"],
  stream: ["plan", "stage1", "linux"],
  network: ["plan", "stage1", "linux"],
  control: ["plan", "stage1", "appc", "linux"],
  plan: ["stage1", "appc", "linux"],
  stage1: ["appc", "linux"],
  appc: [],
  linux: [],
};

/** The one file by which the kernel is called. */
const LIBC = "src/linux/libc.ts";

/** The imports of a file, by path; types alone are left out of `values`. */
interface Imports {
  all: string[];
  values: string[];
}

const IMPORT = /^(?:import|export)\s+(type\s)?([^;"]*?)\s*from "(\.[^"]+)";/gms;

const files = new Map((await filesIn("entry", "src")).map((path) => [path, importsOf(path)]));

async function filesIn(...directories: string[]): Promise<string[]> {
  const args = ["-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "--"];
  const { stdout } = await new Deno.Command("git", { args: [...args, ...directories] }).output();
  return new TextDecoder().decode(stdout).split("\n")
    .filter((path) => path.endsWith(".ts") && !/_test(ing)?\.ts$/.test(path));
}

function importsOf(path: string): Imports {
  const found = [...Deno.readTextFileSync(`${ROOT}/${path}`).matchAll(IMPORT)].map(
    ([, type, names = "", target]) => ({
      target: normalize(`${dirname(path)}/${target}`),
      isType: type !== undefined ||
        names.replace(/[{}]/g, "").split(",").every((name) => /^\s*(type\s|$)/.test(name)),
    }),
  );
  return {
    all: found.map(({ target }) => target),
    values: found.filter(({ isType }) => !isType).map(({ target }) => target),
  };
}

function roomOf(path: string): string {
  return path.split("/")[path.startsWith("src/") ? 1 : 0]!;
}

/** The files that a file leads to, with the way to each. */
function waysFrom(
  path: string,
  by: keyof Imports,
  way = [path],
  ways = new Map<string, string[]>(),
) {
  for (const target of files.get(path)?.[by] ?? []) {
    if (ways.has(target)) continue;
    ways.set(target, [...way, target]);
    waysFrom(target, by, [...way, target], ways);
  }
  return ways;
}

Deno.test("a room imports only what is below it", () => {
  const wrong = [...files].flatMap(([path, { all }]) =>
    all.filter((target) => roomOf(target) !== roomOf(path))
      .filter((target) => !MAY_IMPORT[roomOf(path)]?.includes(roomOf(target)))
      .map((target) => `${path} imports ${target}`)
  );
  assertEquals(wrong, []);
});

Deno.test("no import leads back, not even one of a type", () => {
  const cycles = [...files.keys()].flatMap((path) => waysFrom(path, "all").get(path) ?? []);
  assertEquals(cycles, []);
});

Deno.test("a plan is made without a call of the kernel, and without Deno", () => {
  const plans = [...files.keys()].filter((path) => roomOf(path) === "plan");
  assertEquals(plans.flatMap((path) => waysFrom(path, "values").get(LIBC) ?? []), []);
  const usesDeno = (path: string) => /\bDeno\./.test(Deno.readTextFileSync(`${ROOT}/${path}`));
  assertEquals(plans.filter(usesDeno), []);
});
