import { displayWidth, left, printable, right, truncated } from "./fit.js";

export interface TextColumn {
  readonly heading: string;
  readonly align: "left" | "right";
  /** Made narrower where the table would not fit; never below its heading. */
  readonly shrinks?: boolean;
}

const GAP = "  ";

/** Lines of a table: headings, then rows. Only columns that shrink are cut to make it fit `columns` cells. */
export function textTable(columns: readonly TextColumn[], rows: readonly (readonly string[])[], width: number): string[] {
  const cells = [columns.map(({ heading }) => heading), ...rows.map((row) => row.map((cell) => printable(cell)))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => displayWidth(row[index]!))));
  let excess = widths.reduce((sum, cell) => sum + cell, 0) + GAP.length * (columns.length - 1) - width;
  for (const [index, column] of columns.entries()) {
    if (column.shrinks !== true || excess <= 0) continue;
    const narrow = Math.max(displayWidth(column.heading), Math.min(widths[index]!, MINIMUM_CELLS), widths[index]! - excess);
    excess -= widths[index]! - narrow;
    widths[index] = narrow;
  }
  return cells.map((row) =>
    row
      .map((cell, index) => (columns[index]!.align === "left" ? left(truncated(cell, widths[index]!), widths[index]!) : right(cell, widths[index]!)))
      .join(GAP)
      .trimEnd(),
  );
}

/** A name cut shorter than this tells nobody anything. */
const MINIMUM_CELLS = 12;

/** Cells that the table takes where nothing is cut but what shrinks. */
export function tableWidth(lines: readonly string[]): number {
  return Math.max(0, ...lines.map(displayWidth));
}
