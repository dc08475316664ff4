import { tokenAt } from "../../postgres/sql-tokens.js";

/** A text with VALUES, cut where its rows begin and end. */
export interface ValueRows {
  readonly before: string;
  /** Each with its parentheses. */
  readonly rows: readonly string[];
  readonly after: string;
}

/** The rows of the first VALUES that stands outside of parentheses; undefined where there is none. */
export function valueRows(text: string): ValueRows | undefined {
  const rows: { readonly start: number; readonly end: number }[] = [];
  let found = false;
  let [depth, start, end] = [0, 0, 0];
  for (let at = 0; at < text.length; at = end) {
    const next = tokenAt(text, at);
    end = next.end;
    if (next.kind !== "token") continue;
    if (next.token === "(" || next.token === "[") {
      if (depth++ === 0) start = at;
    } else if (next.token === ")" || next.token === "]") {
      if (--depth === 0 && found) rows.push({ start, end });
    } else if (depth === 0) {
      if (!found) found = next.token.toUpperCase() === "VALUES";
      // Rows go on after a comma only.
      else if (next.token !== ",") break;
    }
  }
  if (rows.length === 0) return undefined;
  return { before: text.slice(0, rows[0]!.start), rows: rows.map((row) => text.slice(row.start, row.end)), after: text.slice(rows.at(-1)!.end) };
}
