import { ReshardError } from "./errors.js";
import type { Batch } from "./flow.js";
import { displayName, type TableName } from "./postgres/identifiers.js";
import type { Lsn } from "./postgres/lsn.js";
import type { Value } from "./postgres/value-codec.js";
import type { ValueFormat } from "./postgres/value-format.js";
import { type ColumnSource, KEPT, type PlainSource, type TableColumn, ValueColumn, type ValuePositions } from "./value-column.js";

/** A table as operators see it: the source's at first, later as the operators before have made it. */
export interface TableShape extends TableName {
  readonly columns: readonly TableColumn[];
}

interface Parts extends Batch<Lsn> {
  readonly table: TableShape;
  readonly format: ValueFormat;
  /** Rows that came; of them `rows` are left. */
  readonly width: number;
  readonly rows: Uint32Array;
  readonly sources: readonly ColumnSource[];
  readonly positions: () => ValuePositions;
  readonly placeOf?: (origin: number) => string;
}

/** What a `TableBatch` is made of. */
export interface TableBatchParts extends Batch<Lsn> {
  readonly table: TableShape;
  /** How values are encoded that operators make. */
  readonly format: ValueFormat;
  readonly count: number;
  /** Finds the values, when the first of them is asked for. */
  readonly locate: () => ValuePositions;
  /** For errors: which change a row is of, in words. */
  readonly placeOf?: (origin: number) => string;
}

/**
 * Rows of one table on their way through operators: all of a COPY's batch, or what a batch of changes has of the table,
 * old rows and new ones. It cannot be changed; `filter`, `with` and `reshape` make others of it, with its place in the
 * flow, which is why no operator can lose that.
 */
export class TableBatch implements Batch<Lsn> {
  readonly sequence: number;
  readonly bytes: number;
  declare readonly resume?: Lsn;
  readonly table: TableShape;
  readonly format: ValueFormat;
  readonly #parts: Parts;
  readonly #columns = new Map<string, ValueColumn>();

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.sequence = parts.sequence;
    this.bytes = parts.bytes;
    if (parts.resume !== undefined) this.resume = parts.resume;
    this.table = parts.table;
    this.format = parts.format;
  }

  /** For sources of batches; operators make theirs of those that come. */
  static of({ count, locate, ...parts }: TableBatchParts): TableBatch {
    let positions: ValuePositions | undefined;
    return new TableBatch({
      ...parts,
      width: parts.table.columns.length,
      rows: Uint32Array.from({ length: count }, (_, row) => row),
      sources: parts.table.columns.map((_, place) => ({ kind: "carried", place })),
      positions: () => (positions ??= locate()),
    });
  }

  /** Rows. */
  get count(): number {
    return this.#parts.rows.length;
  }

  /** The number that each row had when it came, in rising order. */
  get origins(): Uint32Array {
    return this.#parts.rows;
  }

  /** For errors: a row by its key, and where it came from. */
  describe(row: number): string {
    const key = this.table.columns.filter(({ partOfKey }) => partOfKey);
    const named = (key.length > 0 ? key : this.table.columns).map(({ name }) => `${name} ${shown(this.column(name), row)}`).join(", ");
    const place = this.#parts.placeOf?.(this.origins[row]!);
    return `row of ${displayName(this.table)} with ${named}${place === undefined ? "" : `, ${place}`}`;
  }

  /** @throws ReshardError OPERATOR_COLUMN_UNKNOWN */
  column(name: string): ValueColumn {
    let column = this.#columns.get(name);
    if (column === undefined) {
      const place = placeOf(this.table, name);
      column = new ValueColumn(this.table, this.table.columns[place]!, this.format, this.#parts.rows, this.#parts.sources[place]!, this.#parts.positions, this.#parts.width);
      this.#columns.set(name, column);
    }
    return column;
  }

  /** The rows for which `keep` says so. */
  filter(keep: (row: number) => boolean): TableBatch {
    const { rows } = this.#parts;
    const kept = new Uint32Array(rows.length);
    let count = 0;
    for (let row = 0; row < rows.length; row++) if (keep(row)) kept[count++] = rows[row]!;
    return count === rows.length ? this : new TableBatch({ ...this.#parts, rows: kept.slice(0, count) });
  }

  /**
   * A column's values made anew.
   * @param valueOf the value of a row; what is undefined stays absent
   */
  with(name: string, valueOf: (row: number) => Value | undefined): TableBatch {
    const { codec } = this.column(name);
    return this.withBytes(name, (row) => {
      const value = valueOf(row);
      return value === null || value === undefined ? value : codec.encode(value, this.format);
    });
  }

  /** As `with`, of bytes in the batch's format; values that are `KEPT` keep theirs. */
  withBytes(name: string, bytesOf: (row: number) => Buffer | null | undefined | typeof KEPT): TableBatch {
    const place = placeOf(this.table, name);
    const { rows, sources } = this.#parts;
    const values: (Buffer | null | undefined)[] = [];
    let kept: Uint8Array | undefined;
    let changed = false;
    for (let row = 0; row < rows.length; row++) {
      const origin = rows[row]!;
      const bytes = bytesOf(row);
      if (bytes === KEPT) (kept ??= new Uint8Array(rows.at(-1)! + 1))[origin] = 1;
      else {
        values[origin] = bytes;
        changed = true;
      }
    }
    if (!changed) return this;
    const made: PlainSource = { kind: "made", values };
    const source: ColumnSource = kept === undefined ? made : { kind: "changed", made, kept, before: sources[place]! };
    return new TableBatch({ ...this.#parts, sources: sources.with(place, source) });
  }

  /**
   * The same rows under another name or with other names of columns; columns beyond those that are there are NULL until
   * `with` gives them values.
   */
  reshape(table: TableShape): TableBatch {
    const { sources } = this.#parts;
    const added = table.columns.slice(sources.length).map((): ColumnSource => ({ kind: "null" }));
    return new TableBatch({ ...this.#parts, table, sources: [...sources, ...added] });
  }

  /** True where the bytes of rows that are left are those that came. */
  get untouched(): boolean {
    const { sources, width } = this.#parts;
    return sources.length === width && sources.every((source, place) => source.kind === "carried" && source.place === place);
  }
}

/** A value for people; short. */
function shown(column: ValueColumn, row: number): string {
  try {
    const value = column.value(row);
    const text = value === undefined ? "(not sent)" : value === null ? "NULL" : Buffer.isBuffer(value) ? `\\x${value.toString("hex")}` : String(value);
    return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
  } catch {
    return "(not readable)";
  }
}

const MOST_SHOWN = 60;

function placeOf(table: TableShape, name: string): number {
  const place = table.columns.findIndex((column) => column.name === name);
  if (place >= 0) return place;
  throw new ReshardError("OPERATOR_COLUMN_UNKNOWN", `${displayName(table)} has no column "${name}" where an operator asks for it.`, {
    place: { table: displayName(table) },
    remedy: `Name one of its columns: ${table.columns.map((column) => column.name).join(", ")}.`,
  });
}
