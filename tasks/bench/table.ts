/**
 * The final table of `deno task bench`, with a row for each figure and a column for each build.
 *
 * @module
 */

/** The head of a row. */
export interface RowHead {
  /** The name of the figure. */
  readonly what: string;
  /** The unit, or the thing that the figures are multiples of. */
  readonly unit: string;
}

/** A row. */
export interface Row extends RowHead {
  /** A figure for each build that has what is measured, or the reason why there is none at all. */
  readonly figures: readonly (number | undefined)[] | string;
}

/** Makes rows whose figures cannot be measured. */
export function withoutFigures(heads: readonly RowHead[], reason: string): Row[] {
  return heads.map((head) => ({ ...head, figures: reason }));
}

/**
 * Formats rows as lines of text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const rows = [
 *   { what: "image", unit: "MB", figures: [37.91, 163.4] },
 *   { what: "start", unit: "× empty", figures: "no empty" },
 *   { what: "attach", unit: "ms", figures: [50, undefined] },
 * ];
 * assertEquals(formatTable(["now", "before"], rows), [
 *   "           now  before",
 *   "image     37.9   163.4  MB",
 *   "start        –       –  × empty (no empty)",
 *   "attach    50.0       –  ms",
 * ]);
 * ```
 */
export function formatTable(columns: readonly string[], rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(({ what }) => what.length));
  const line = (what: string, cells: readonly string[]) =>
    what.padEnd(width) + cells.map((cell) => cell.padStart(8)).join("");
  return [
    line("", columns),
    ...rows.map(({ what, unit, figures }) =>
      typeof figures === "string"
        ? `${line(what, columns.map(() => "–"))}  ${unit} (${figures})`
        : `${line(what, figures.map(formatFigure))}  ${unit}`
    ),
  ];
}

/** Formats a figure with three digits: the next ones differ from run to run. */
function formatFigure(figure: number | undefined): string {
  if (figure === undefined) return "–";
  return figure.toFixed(figure < 9.995 ? 2 : 1);
}
