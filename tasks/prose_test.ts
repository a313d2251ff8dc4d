/** How comments are sources, and that no two modules export one name. */

import { assertEquals } from "@std/assert";
import { ROOT } from "./project.ts";

/** The most columns of a comment. A line with an address may have more. */
const COLUMNS = 100;

/** Words that begin no comment of a function: a verb in the third person does. */
const NO_VERBS =
  /^(A|All|An|Everything|How|Its|One|That|The|There|Those|What|Where|Whether|Which|Who|Whom)\b/;

const COMMENT = /^\s*(\/\/|\/?\*)|\s\/\/ /;

const FUNCTION = /\/\*\*((?:(?!\*\/).)*)\*\/\s*export (?:async )?function\*? ?(\w+)/gs;

const EXPORT =
  /^export (?:abstract |async |declare )*(?:class|const|enum|function\*?|interface|let|type) (\w+)/gm;

interface Source {
  path: string;
  text: string;
}

const sources = ["entry", "image", "src", "tasks", "tests"].flatMap(sourcesIn);

function sourcesIn(directory: string): Source[] {
  return [...Deno.readDirSync(`${ROOT}/${directory}`)].flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    if (isDirectory) return sourcesIn(path);
    if (!/\.(c|h|mjs|ts)$/.test(name)) return [];
    return { path, text: Deno.readTextFileSync(`${ROOT}/${path}`) };
  });
}

/** Finds lines, and returns the path and number of each. */
function linesWhere(isWrong: (line: string, next: string) => boolean): string[] {
  return sources.flatMap(({ path, text }) => {
    const lines = text.split("\n");
    return lines.flatMap((line, i) => isWrong(line, lines[i + 1] ?? "") ? `${path}:${i + 1}` : []);
  });
}

Deno.test("no comment has lines that are too long", () => {
  const isTooLong = (line: string) =>
    [...line].length > COLUMNS && COMMENT.test(line) && !line.includes("://");
  assertEquals(linesWhere(isTooLong), []);
});

Deno.test("each `@throws` says when", () => {
  const isBare = (line: string, next: string) =>
    /@throws \{\w+\}\s*(\*\/)?$/.test(line) && !/^\s*\* +[^\s@/]/.test(next);
  assertEquals(linesWhere(isBare), []);
});

Deno.test("the comment of an exported function begins with what the function does", () => {
  const wrong = sources.flatMap(({ path, text }) =>
    [...text.matchAll(FUNCTION)]
      .filter(([, comment]) => NO_VERBS.test(comment!.replace(/^[\s*]+/, "")))
      .map(([, , name]) => `${path}: ${name}`)
  );
  assertEquals(wrong, []);
});

Deno.test("no two modules export one name", () => {
  const places = new Map<string, Set<string>>();
  for (const { path, text } of sources.filter(({ path }) => path.startsWith("src/"))) {
    for (const [, name] of text.matchAll(EXPORT)) {
      places.set(name!, (places.get(name!) ?? new Set()).add(path));
    }
  }
  const twice = [...places].filter(([, { size }]) => size > 1);
  assertEquals(twice.map(([name, paths]) => `${name}: ${[...paths].join(", ")}`), []);
});
