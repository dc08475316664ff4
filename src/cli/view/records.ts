import { displayWidth, left, printable, truncated } from "./fit.js";
import { tableWidth, textTable } from "./text-table.js";

/** Names of columns, and rows of text; undefined is NULL. */
export interface TextRows {
  readonly columns: readonly string[];
  /** By name of the column: whether its values are numbers, which stand on the right. */
  readonly numbers: ReadonlySet<string>;
  readonly rows: readonly (readonly (string | undefined)[])[];
}

/**
 * Rows as a table, where that is no wider than the terminal; else one below the other, as psql's `\x` has them, without
 * what is NULL.
 *
 * ```
 * -[ 1 ]------------------------
 * id           | 467579
 * type         | reshard prod -> prod_2x
 * ```
 */
export function records({ columns, numbers, rows }: TextRows, width: number): string[] {
  if (rows.length === 0) return [columns.map((name) => printable(name)).join("  "), "no rows"].map((line) => truncated(line, width));
  const table = textTable(columns.map((heading) => ({ heading: printable(heading), align: numbers.has(heading) ? "right" : "left" })), rows.map((row) => row.map((value) => value ?? "")), width);
  if (tableWidth(table) <= width) return table;
  const names = columns.map((name) => printable(name));
  const cells = Math.min(Math.max(...names.map(displayWidth)), Math.floor(width / 2));
  const room = Math.max(1, width - cells - SEPARATOR.length);
  return rows.flatMap((row, index) => {
    const head = `-[ ${index + 1} ]`;
    return [
      head + "-".repeat(Math.max(0, width - head.length)),
      ...row.flatMap((value, column) => (value === undefined ? [] : wrapped(printable(value, true), room).map((line, number) => `${left(number === 0 ? names[column]! : "", cells)}${SEPARATOR}${line}`.trimEnd()))),
    ];
  });
}

const SEPARATOR = " | ";

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Lines of at most `width` cells, broken between words where that is possible. */
function wrapped(text: string, width: number): string[] {
  return text.split("\n").flatMap((line) => {
    const lines: string[] = [];
    let rest = line;
    while (displayWidth(rest) > width) {
      let end = 0;
      let cells = 0;
      for (const { segment, index } of graphemes.segment(rest)) {
        cells += displayWidth(segment);
        if (cells > width) break;
        end = index + segment.length;
      }
      const space = rest.lastIndexOf(" ", end);
      const cut = space > 0 ? space : Math.max(end, 1);
      lines.push(rest.slice(0, cut));
      rest = rest.slice(cut).trimStart();
    }
    return [...lines, rest];
  });
}
