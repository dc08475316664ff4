import { CopyProgress, type TableCopy } from "../../pipelines/copy-progress.js";
import type { PipelineEvent } from "../../pipelines/events.js";
import { bar } from "./bar.js";
import { left, printable, right } from "./fit.js";
import { formatBytes, formatDuration, formatShare, timeLeft } from "../../pipelines/quantities.js";
import { counted, formatCount } from "../../words.js";
import { RateMeter } from "./rate-meter.js";

interface Meters {
  readonly rows: RateMeter;
  readonly bytes: RateMeter;
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
export class CopyLines {
  readonly #copies: CopyProgress;
  readonly #meters = new Map<string, Meters>();
  readonly #rowRate = new RateMeter();
  readonly #byteRate = new RateMeter();
  #total = { tables: 0, rows: 0 };
  /** Rows of all tables, in the attempts that count. */
  #rows = 0;
  /** Bytes that came through, also in attempts that failed. */
  #bytesSeen = 0;

  /** @param buildsKeys primary keys are built after each table's rows */
  constructor(buildsKeys: boolean) {
    this.#copies = new CopyProgress(buildsKeys);
  }

  apply(event: PipelineEvent, now: number): void {
    const moves = event.type === "table-progress" || event.type === "table-copied";
    const before = moves ? this.#copies.copy(event.table, event.sourceShard) : undefined;
    this.#copies.apply(event, now);
    if (moves) this.#rows += (this.#copies.copy(event.table, event.sourceShard)?.rows ?? 0) - (before?.rows ?? 0);
    switch (event.type) {
      case "copy-started":
        this.#total = { tables: event.tables, rows: event.rows };
        this.#rowRate.add(0, now);
        this.#byteRate.add(0, now);
        break;
      case "table-progress": {
        const meters = this.#metersOf(event, now);
        // Fewer than before: another attempt.
        const again = event.bytes < (before?.bytes ?? 0);
        if (again) {
          meters.bytes.reset();
          meters.rows.reset();
          this.#rowRate.reset();
        }
        this.#bytesSeen += event.bytes - (again ? 0 : (before?.bytes ?? 0));
        meters.rows.add(event.rows, now);
        meters.bytes.add(event.bytes, now);
        this.#measure(now);
        break;
      }
      case "table-copied":
        this.#measure(now);
        break;
    }
  }

  /** The stage in one line. */
  line(now: number, title = "copy"): string {
    const { tables, rows } = this.#total;
    if (tables === 0) return `${left(title, TITLE_CELLS)}preparing`;
    const copied = this.#copied().length;
    const parts = [`${formatCount(copied)} of ${counted(tables, "table")}`, `${formatCount(this.#rows)} rows`];
    const share = copied === tables ? 1 : shareOf(this.#rows, rows);
    if (share !== undefined) parts.push(formatShare(share));
    const rate = this.#byteRate.perSecond(now);
    if (rate !== undefined) parts.push(`${formatBytes(rate)}/s`);
    const remaining = timeLeft(rows - this.#rows, this.#rowRate.perSecond(now));
    if (remaining !== undefined) parts.push(remaining);
    return `${left(title, TITLE_CELLS)}${parts.join("   ")}`;
  }

  /** A line for each table under way, of about `columns` cells. */
  tableLines(columns: number, now: number): string[] {
    return this.#copies.copies()
      .filter(({ state }) => state === "running" || state === "building key")
      .sort((a, b) => a.startedAt! - b.startedAt!)
      .flatMap((copy) => {
        const meters = this.#meters.get(keyOf(copy));
        return meters === undefined ? [] : [this.#tableLine(copy, meters, columns, now)];
      });
  }

  /** For a log: one table's state in words. */
  describe(event: { readonly table: string; readonly sourceShard?: number }, now: number): string | undefined {
    const copy = this.#copies.copy(event.table, event.sourceShard);
    const meters = this.#meters.get(keyOf(event));
    if (copy === undefined || meters === undefined) return undefined;
    const rate = meters.bytes.perSecond(now);
    const remaining = timeLeft(copy.estimatedRows - copy.rows, meters.rows.perSecond(now));
    const share = shareOf(copy.rows, copy.estimatedRows);
    return [`${formatCount(copy.rows)} rows`, ...(share === undefined ? [] : [formatShare(share)]), ...(rate === undefined ? [] : [`${formatBytes(rate)}/s`]), ...(remaining === undefined ? [] : [remaining])].join(", ");
  }

  summary(): string {
    const copied = this.#copied();
    const bytes = copied.reduce((sum, copy) => sum + copy.bytes, 0);
    return [counted(copied.length, "table"), counted(copied.reduce((sum, copy) => sum + copy.rows, 0), "row"), ...(bytes === 0 ? [] : [formatBytes(bytes)])].join(", ");
  }

  #metersOf(event: { readonly table: string; readonly sourceShard?: number }, now: number): Meters {
    const known = this.#meters.get(keyOf(event));
    if (known !== undefined) return known;
    const meters = { rows: new RateMeter(), bytes: new RateMeter() };
    meters.rows.add(0, now);
    meters.bytes.add(0, now);
    this.#meters.set(keyOf(event), meters);
    return meters;
  }

  #copied(): readonly TableCopy[] {
    return this.#copies.copies().filter(({ copiedAt }) => copiedAt !== undefined);
  }

  #measure(now: number): void {
    this.#rowRate.add(this.#rows, now);
    this.#byteRate.add(this.#bytesSeen, now);
  }

  #tableLine(copy: TableCopy, meters: Meters, columns: number, now: number): string {
    const title = `  ${left(printable(copy.table), Math.max(8, columns - NUMBERS_CELLS))} `;
    if (copy.copiedAt !== undefined) return `${title}${formatCount(copy.rows)} rows   building its key ${formatDuration(Math.floor((now - copy.copiedAt) / 1000) * 1000)}`;
    const share = shareOf(copy.rows, copy.estimatedRows);
    const rate = meters.bytes.perSecond(now);
    const remaining = timeLeft(copy.estimatedRows - copy.rows, meters.rows.perSecond(now));
    return [
      title,
      share === undefined ? " ".repeat(BAR_CELLS) : bar(share, BAR_CELLS),
      right(share === undefined ? "" : formatShare(share), SHARE_CELLS),
      right(`${formatCount(copy.rows)} rows`, ROWS_CELLS),
      right(rate === undefined ? "" : `${formatBytes(rate)}/s`, RATE_CELLS),
      right(remaining ?? "", LEFT_CELLS),
    ].join("").trimEnd();
  }
}

function keyOf({ table, sourceShard }: { readonly table: string; readonly sourceShard?: number | undefined }): string {
  return `${sourceShard ?? ""} ${table}`;
}

/** How much is done, by an estimate that may be wrong or missing (not positive): never all of it. */
function shareOf(rows: number, estimatedRows: number): number | undefined {
  return estimatedRows > 0 ? Math.min(0.99, rows / estimatedRows) : undefined;
}
