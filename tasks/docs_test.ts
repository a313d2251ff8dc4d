/**
 * The documentation: its links and paths lead somewhere, and its table is what the code acts on.
 */

import { assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describeFields } from "../src/plan/fields.ts";
import { ROOT, VERSION } from "./project.ts";

/** How many lines README has at the most. */
const README_LINES = 150;

/** `[text](target)`, and `[name]: target`. */
const LINK = /\]\(([^)\s]+)\)|^\[[^\]^]+\]: (\S+)/gm;
/** What is in backticks and looks like a file: at least one slash, and a suffix. */
const PATH = /`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|mjs|c|h|json))`/g;
/** A folder of the repository, in backticks. */
const FOLDER = /`((?:entry|src|image|tasks|tests|docs)\/[\w/-]*)`/g;
/** What begins so is in a pod directory, or in the image. */
const NOT_OURS = /^(stage1\/rootfs|appsinfo)\//;

/** The pages, relative to the project, with their text. */
const pages = new Map(
  [
    ...["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"],
    ...filesIn("docs"),
    ...filesIn(".github"),
  ].filter((path) => path.endsWith(".md")).map((path) => [path, read(path)]),
);

function filesIn(directory: string): string[] {
  return [...Deno.readDirSync(join(ROOT, directory))].flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    return isDirectory ? filesIn(path) : [path];
  });
}

function read(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}

/** The text without blocks of code, which are not about this repository. */
function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, "");
}

function matches(text: string, pattern: RegExp): string[] {
  return [...prose(text).matchAll(pattern)].map(([, first, second]) => first ?? second!);
}

/** Says what a page has that leads nowhere. */
function broken(find: (path: string, text: string) => string[]): string[] {
  return [...pages].flatMap(([path, text]) => find(path, text).map((what) => `${path}: ${what}`));
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(text: string): string[] {
  return [...prose(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-")
  );
}

function isBrokenLink(path: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return false;
  const [file = "", anchor] = link.split("#");
  const target = file === "" ? path : join(dirname(path), file);
  if (!existsSync(join(ROOT, target))) return true;
  return anchor !== undefined && !anchors(read(target)).includes(anchor);
}

Deno.test("each relative link of the documentation leads to a file, and its anchor to a heading", () => {
  assertEquals(
    broken((path, text) => matches(text, LINK).filter((link) => isBrokenLink(path, link))),
    [],
  );
});

Deno.test("each path that the documentation names is there", () => {
  const isThere = (path: string) =>
    ["", "src"].some((parent) => existsSync(join(ROOT, parent, path)));
  assertEquals(
    broken((_, text) =>
      [PATH, FOLDER].flatMap((pattern) => matches(text, pattern))
        .filter((path) => !NOT_OURS.test(path) && !isThere(path))
    ),
    [],
  );
});

Deno.test("each page of docs can be reached from README", () => {
  const reached = new Set(["README.md"]);
  for (const path of reached) {
    for (const link of matches(pages.get(path) ?? "", LINK)) {
      const target = join(dirname(path), link.split("#")[0]!);
      if (pages.has(target)) reached.add(target);
    }
  }
  const missing = [...pages.keys()].filter((path) =>
    path.startsWith("docs/") && !reached.has(path)
  );
  assertEquals(missing, []);
});

Deno.test(`README has at most ${README_LINES} lines`, () => {
  const lines = pages.get("README.md")!.trimEnd().split("\n").length;
  assertEquals(Math.max(lines, README_LINES), README_LINES);
});

Deno.test("the documentation's table of fields is the one that the code acts on", () => {
  const lines = pages.get("docs/fields.md")!.split("\n");
  const table = describeFields();
  const start = lines.findIndex((line) => /^\| field +\|/.test(line));
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"));
  assertEquals(cells(lines.slice(start, end)), cells(table));
});

/** The cells of a Markdown table, whatever its columns are padded with. */
function cells(lines: readonly string[]): string[][] {
  return lines.map((line) => line.split("|").map((cell) => cell.trim().replace(/^-+$/, "---")));
}

Deno.test("the documentation names images of this version", () => {
  const names = [...pages.values()].flatMap((text) =>
    text.match(/stage1-volo[\w-]*:\d[\w.-]*/g) ?? []
  );
  assertEquals(names.filter((name) => !name.endsWith(`:${VERSION}`)), []);
  assertEquals(names.length > 0, true);
});

/** Messages of rkt and of programs in a pod, and examples. */
const NOT_OUR_MESSAGES = [
  'dangling mount point "PATH": volume "NAME" not found',
  "error adding app to pod: exit status 254",
  "error starting app: exit status 254",
  "immutable pod",
  "interactive option only supports one image",
  "multiple apps with name NAME",
  "open PATH.aci.asc: no such file or directory",
  "--port flag does not work with 'none' networking",
  "context deadline exceeded",
  "discovery failed",
  'port name "80" could not be found in any apps',
  'problem performing stage1 GC on "UUID"',
  "Function not implemented",
  "Operation not permitted",
  "Read-only file system",
  "apps[0].app.user",
  'group "rkt" not found',
  "stage1 does not support mutable pods",
];
/** What the code puts together, and what stands for something else, with its quotation marks. */
const SEAM = /: |"?\b(?:NAME|PATH|FIELD|PLUGIN|APP|VALUE|N|ulimit -v)\b"?|\/etc\/passwd|…/;
/** Shorter parts of a message are everywhere. */
const SHORTEST_PART = 10;

Deno.test("each message in troubleshooting is one of the code", () => {
  const sources = [...filesIn("src"), ...filesIn("image")].filter((path) => !/_test\./.test(path))
    .map((path) => read(path).replace(/["`] \+\s+["`]/g, "")).join("\n");
  const headings = pages.get("docs/troubleshooting.md")!.match(/^### .*$/gm)!;
  const messages = headings.flatMap((heading) => [...heading.matchAll(/(`+)(.+?)\1(?!`)/g)])
    .map(([, , message]) => message!)
    .filter((message) => !NOT_OUR_MESSAGES.includes(message));
  const parts = messages.flatMap((message) => message.split(SEAM))
    .map((part) => part.replace(/^[\s/:,)(.]+|[\s/:,)(.]+$/g, ""))
    .filter((part) => part.length >= SHORTEST_PART);
  assertEquals(parts.filter((part) => !sources.includes(part)), []);
  assertEquals(messages.length > 50, true);
});

Deno.test("each unit in docs/systemd is what the page shows", () => {
  const page = pages.get("docs/systemd.md")!;
  const missing = filesIn("docs/systemd").filter((path) => {
    const name = path.split("/").at(-1);
    return !page.includes(`[\`${name}\`](systemd/${name}):\n\n\`\`\`ini\n${read(path)}\`\`\`\n`);
  });
  assertEquals(missing, []);
});
