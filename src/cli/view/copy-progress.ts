import type { PipelineEvent } from "../../pipelines/events.js";
import { bar } from "./bar.js";
import { left, printable, right } from "./fit.js";
import { formatBytes, formatDuration, formatShare, timeLeft } from "./quantities.js";
import { RateMeter } from "./rate-meter.js";
import { counted, formatCount } from "../../words.js";

interface TableUnderWay {
  rows: number;
  bytes: number;
  estimatedRows: number;
  readonly rowRate: RateMeter;
  readonly byteRate: RateMeter;
  /** The rows are there; since when the key is being built. */
  keySince: number | undefined;
}

const BAR_CELLS = 12;
const SHARE_CELLS = 5;
const ROWS_CELLS = 17;
const RATE_CELLS = 11;
const LEFT_CELLS = 13;
/** Cells of a table's line beside its name, the gaps around it included. */
const NUMBERS_CELLS = 2 + 1 + BAR_CELLS + SHARE_CELLS + ROWS_CELLS + RATE_CELLS + LEFT_CELLS;
export const TITLE_CELLS = 14;

/** What the copy stage shows, from its events. Times are milliseconds of any clock. */
export class CopyProgress {
  readonly #buildsKeys: boolean;
  readonly #tables = new Map<string, TableUnderWay>();
  readonly #rowRate = new RateMeter();
  readonly #byteRate = new RateMeter();
  #total = { tables: 0, rows: 0, bytes: 0 };
  #copied = { tables: 0, rows: 0, bytes: 0 };
  /** Bytes that came through, also in attempts that failed. */
  #bytesSeen = 0;

  /** @param buildsKeys primary keys are built after each table's rows */
  constructor(buildsKeys: boolean) {
    this.#buildsKeys = buildsKeys;
  }

  apply(event: PipelineEvent, now: number): void {
    switch (event.type) {
      case "copy-started":
        this.#total = { tables: event.tables, rows: event.rows, bytes: event.bytes };
        this.#rowRate.add(0, now);
        this.#byteRate.add(0, now);
        break;
      case "table-progress": {
        const table = this.#tables.get(event.table) ?? this.#began(event, now);
        // Fewer than before: another attempt.
        if (event.bytes < table.bytes) {
          table.bytes = 0;
          table.rowRate.reset();
          table.byteRate.reset();
          this.#rowRate.reset();
        }
        this.#bytesSeen += event.bytes - table.bytes;
        table.rows = event.rows;
        table.bytes = event.bytes;
        table.rowRate.add(event.rows, now);
        table.byteRate.add(event.bytes, now);
        this.#measure(now);
        break;
      }
      case "table-copied": {
        this.#copied = { tables: this.#copied.tables + 1, rows: this.#copied.rows + event.rows, bytes: this.#copied.bytes + event.bytes };
        const table = this.#tables.get(event.table);
        if (table !== undefined && this.#buildsKeys) table.keySince = now;
        else this.#tables.delete(event.table);
        this.#measure(now);
        break;
      }
      case "table-key-built":
        this.#tables.delete(event.table);
        break;
    }
  }

  /** The stage in one line. */
  line(now: number): string {
    const { tables, rows } = this.#total;
    if (tables === 0) return `${left("copy", TITLE_CELLS)}preparing`;
    const parts = [`${formatCount(this.#copied.tables)} of ${counted(tables, "table")}`, `${formatCount(this.#rows())} rows`];
    const share = this.#copied.tables === tables ? 1 : shareOf(this.#rows(), rows);
    if (share !== undefined) parts.push(formatShare(share));
    const rate = this.#byteRate.perSecond(now);
    if (rate !== undefined) parts.push(`${formatBytes(rate)}/s`);
    const remaining = timeLeft(rows - this.#rows(), this.#rowRate.perSecond(now));
    if (remaining !== undefined) parts.push(remaining);
    return `${left("copy", TITLE_CELLS)}${parts.join("   ")}`;
  }

  /** A line for each table under way, of about `columns` cells. */
  tableLines(columns: number, now: number): string[] {
    return [...this.#tables].map(([name, table]) => this.#tableLine(name, table, columns, now));
  }

  /** For a log: one table's state in words. */
  describe(name: string, now: number): string | undefined {
    const table = this.#tables.get(name);
    if (table === undefined) return undefined;
    const rate = table.byteRate.perSecond(now);
    const remaining = timeLeft(table.estimatedRows - table.rows, table.rowRate.perSecond(now));
    const share = shareOf(table.rows, table.estimatedRows);
    return [`${formatCount(table.rows)} rows`, ...(share === undefined ? [] : [formatShare(share)]), ...(rate === undefined ? [] : [`${formatBytes(rate)}/s`]), ...(remaining === undefined ? [] : [remaining])].join(", ");
  }

  summary(): string {
    const { tables, rows, bytes } = this.#copied;
    return [counted(tables, "table"), counted(rows, "row"), ...(bytes === 0 ? [] : [formatBytes(bytes)])].join(", ");
  }

  #began(event: { readonly table: string; readonly estimatedRows: number }, now: number): TableUnderWay {
    const table = { rows: 0, bytes: 0, estimatedRows: event.estimatedRows, rowRate: new RateMeter(), byteRate: new RateMeter(), keySince: undefined };
    table.rowRate.add(0, now);
    table.byteRate.add(0, now);
    this.#tables.set(event.table, table);
    return table;
  }

  #rows(): number {
    let rows = this.#copied.rows;
    for (const table of this.#tables.values()) if (table.keySince === undefined) rows += table.rows;
    return rows;
  }

  #measure(now: number): void {
    this.#rowRate.add(this.#rows(), now);
    this.#byteRate.add(this.#bytesSeen, now);
  }

  #tableLine(name: string, table: TableUnderWay, columns: number, now: number): string {
    const title = `  ${left(printable(name), Math.max(8, columns - NUMBERS_CELLS))} `;
    if (table.keySince !== undefined) return `${title}${formatCount(table.rows)} rows   building its key ${formatDuration(Math.floor((now - table.keySince) / 1000) * 1000)}`;
    const share = shareOf(table.rows, table.estimatedRows);
    const rate = table.byteRate.perSecond(now);
    const remaining = timeLeft(table.estimatedRows - table.rows, table.rowRate.perSecond(now));
    return [
      title,
      share === undefined ? " ".repeat(BAR_CELLS) : bar(share, BAR_CELLS),
      right(share === undefined ? "" : formatShare(share), SHARE_CELLS),
      right(`${formatCount(table.rows)} rows`, ROWS_CELLS),
      right(rate === undefined ? "" : `${formatBytes(rate)}/s`, RATE_CELLS),
      right(remaining ?? "", LEFT_CELLS),
    ].join("").trimEnd();
  }
}

/** How much is done, by an estimate that may be wrong or missing (not positive): never all of it. */
function shareOf(rows: number, estimatedRows: number): number | undefined {
  return estimatedRows > 0 ? Math.min(0.99, rows / estimatedRows) : undefined;
}
