/**
 * Manual pages in man(7), which `man` and mandoc show.
 *
 * @module
 */

/** A manual page. */
export interface ManPage {
  /** Its name, which is that of its file: `stage1-volo-run`. */
  name: string;
  /** The section of the manual: 7 for conventions, 8 for an administrator's commands. */
  section: 7 | 8;
  /** What it is about, in a few words. */
  about: string;
  parts: readonly Part[];
}

/** A part of a page, below its heading. */
export interface Part {
  heading: string;
  blocks: readonly Block[];
}

/** A paragraph, in which words in backquotes are literal; or a list of terms and their meanings. */
export type Block = string | readonly (readonly [term: string, meaning: string])[];

/**
 * Renders a page.
 *
 * @param source What the page belongs to, for its last line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const parts = [{ heading: "OPTIONS", blocks: [[["--net", "sets `.x`"]] as const] }];
 * const page = renderManPage({ name: "a", section: 8, about: "does x", parts }, "volo 1");
 * assertEquals(page.split("\n").slice(3), [
 *   ...[".SH OPTIONS", ".TP", "\\fB\\-\\-net\\fP", "sets \\fB.x\\fP", ""],
 * ]);
 * ```
 */
export function renderManPage({ name, section, about, parts }: ManPage, source: string): string {
  const lines = [
    `.TH ${name.toUpperCase()} ${section} "" "${source}" "stage1-volo"`,
    ".SH NAME",
    `${escapeLine(name)} \\- ${escapeLine(about)}`,
    ...parts.flatMap(({ heading, blocks }) => [`.SH ${heading}`, ...blocks.flatMap(renderBlock)]),
  ];
  return `${lines.join("\n")}\n`;
}

function renderBlock(block: Block): string[] {
  if (typeof block === "string") return [".PP", formatText(block)];
  return block.flatMap((
    [term, meaning],
  ) => [".TP", `\\fB${escapeLine(term)}\\fP`, formatText(meaning)]);
}

/** Formats a text with words in backquotes. */
function formatText(text: string): string {
  const pieces = text.split("`").map(escapeText);
  return protectStart(
    pieces.map((piece, i) => i % 2 === 0 ? piece : `\\fB${piece}\\fP`).join(""),
  );
}

function escapeLine(text: string): string {
  return protectStart(escapeText(text));
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("^", "\\(ha")
    .replaceAll(/\s*\n\s*/g, " ");
}

/** A line that begins with a dot or an apostrophe would be a request. */
function protectStart(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}
