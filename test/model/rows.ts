import { keyRouter } from "../../src/sharding/key-router.js";
import type { ModelTable } from "./tables.js";

/** Small numbers, so that keys are used again after they have become free. */
export const IDS = 12;
export const OWNERS = 12;
const CODES = 16;

export interface Row {
  /** 0 where the table has none. */
  readonly id: number;
  readonly owner: number;
  readonly code: number;
  /** Columns without a default of their own are all in here. */
  readonly texts: Readonly<Record<string, string | null>>;
}

export interface TableState {
  readonly table: ModelTable;
  /** Text columns, those that were added too. */
  readonly texts: string[];
  rows: readonly Row[];
}

/** What is on the source: enough to write to it as an application would, which knows its rows. */
export class Rows {
  readonly tables: readonly TableState[];
  readonly sources: number;
  #values = 0;
  #ids = 1000;

  constructor(tables: readonly ModelTable[], sources: number) {
    this.tables = tables.map((table) => ({ table, texts: [...table.texts], rows: [] }));
    this.sources = sources;
  }

  of(name: string): TableState {
    return this.tables.find(({ table }) => table.name === name)!;
  }

  /** The shards of the source that have the row. */
  sourcesOf({ owner: type }: ModelTable, { owner }: Pick<Row, "owner">): number[] {
    if (type === undefined) return Array.from({ length: this.sources }, (_, source) => source);
    let key = Buffer.from(String(ownerValue(type, owner)));
    if (type !== "text") {
      key = Buffer.alloc(8);
      key.writeBigInt64BE(BigInt(owner));
    }
    return [keyRouter({ dataType: type === "text" ? "varchar" : "bigint", hasher: "postgres", mapping: [] }, this.sources)(key, 0, key.length)];
  }

  /** A row like the wanted one whose keys nobody has, but for the row that it takes the place of. */
  free({ table, rows }: TableState, wanted: Row, besides?: Row): Row {
    let row = wanted;
    const others = rows.filter((other) => other !== besides);
    for (let step = 1; others.some((other) => table.key.every((column) => other[column] === row[column])); step++) {
      if (table.id === undefined) row = { ...row, owner: step > OWNERS ? this.#ids++ : (wanted.owner + step) % OWNERS };
      else row = { ...row, id: step > IDS ? this.#ids++ : (wanted.id + step) % IDS };
    }
    for (let step = 1; table.code === true && others.some(({ code }) => code === row.code); step++) row = { ...row, code: step > CODES ? this.#ids++ : (wanted.code + step) % CODES };
    return row;
  }

  value(kind: "null" | "short" | "large"): string | null {
    if (kind === "null") return null;
    const value = `value ${++this.#values}`;
    return kind === "short" ? value : `${value} `.repeat(250);
  }

  /** For a transaction that is rolled back. */
  save(): () => void {
    const saved = this.tables.map(({ rows }) => rows);
    return () => {
      for (const [index, state] of this.tables.entries()) state.rows = saved[index]!;
    };
  }
}

export function ownerValue(type: ModelTable["owner"], owner: number): number | string {
  return type === "text" ? `owner ${owner}` : owner;
}
