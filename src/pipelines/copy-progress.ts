import type { TableName } from "../postgres/identifiers.js";
import type { PipelineEvent } from "./events.js";

/** One source shard's rows of one table. Times are milliseconds of the clock that the events were given with. */
export interface TableCopy {
  /** As events name it. */
  readonly table: string;
  readonly sourceShard: number | undefined;
  /** Known where the copy was planned; so is the statement. */
  readonly name: TableName | undefined;
  readonly sql: string | undefined;
  /** `building key`: the rows are there. */
  readonly state: "waiting" | "running" | "building key" | "done";
  /** Of the attempt under way, or of the one that succeeded. */
  readonly rows: number;
  readonly bytes: number;
  readonly estimatedRows: number;
  readonly startedAt: number | undefined;
  /** When the rows were there, and when all of it was done. */
  readonly copiedAt: number | undefined;
  readonly endedAt: number | undefined;
  /** An earlier run copied it, or a part. */
  readonly resumed: boolean;
  /** Where it was read from, if not from the primary. */
  readonly standby: string | undefined;
}

/** Every table's copy and how far it is, out of a run's events. Finished ones stay. */
export class CopyProgress {
  readonly #buildsKeys: boolean;
  readonly #copies = new Map<string, TableCopy>();

  /** @param buildsKeys primary keys are built after each table's rows: it is done when those are. */
  constructor(buildsKeys: boolean) {
    this.#buildsKeys = buildsKeys;
  }

  apply(event: PipelineEvent, now: number): void {
    switch (event.type) {
      case "copy-started":
        for (const { table, sourceShard, schema, name, estimatedRows, sql } of event.planned) {
          const known = this.copy(table, sourceShard);
          // What an earlier run copied is told of once more, with nothing of what it was.
          this.#put({ ...(known?.state === "done" ? known : fresh(table, sourceShard)), name: { schema, name }, sql, estimatedRows });
        }
        break;
      case "table-progress": {
        const known = this.copy(event.table, event.sourceShard) ?? fresh(event.table, event.sourceShard);
        this.#put({ ...known, state: "running", rows: event.rows, bytes: event.bytes, estimatedRows: Math.max(0, event.estimatedRows), startedAt: known.startedAt ?? now, endedAt: undefined });
        break;
      }
      case "table-copied": {
        const { table, sourceShard, rows, bytes, milliseconds, resumed, standby } = event;
        const known = this.copy(table, sourceShard) ?? fresh(table, sourceShard);
        if (resumed && known.state === "done") break;
        const done = { copiedAt: now, endedAt: this.#buildsKeys ? undefined : now, state: this.#buildsKeys ? "building key" : "done" } as const;
        this.#put({ ...known, ...done, rows, bytes, startedAt: known.startedAt ?? now - milliseconds, resumed, standby });
        break;
      }
      case "table-key-built":
        for (const copy of this.copies()) if (copy.table === event.table && copy.state === "building key") this.#put({ ...copy, state: "done", endedAt: now });
        break;
    }
  }

  /** As they were planned; what was not, as it began. */
  copies(): readonly TableCopy[] {
    return [...this.#copies.values()];
  }

  copy(table: string, sourceShard: number | undefined): TableCopy | undefined {
    return this.#copies.get(keyOf(table, sourceShard));
  }

  /** Takes up what was known of finished ones before a restart. */
  restore(copies: readonly TableCopy[]): void {
    for (const copy of copies) this.#put(copy);
  }

  #put(copy: TableCopy): void {
    this.#copies.set(keyOf(copy.table, copy.sourceShard), copy);
  }
}

function fresh(table: string, sourceShard: number | undefined): TableCopy {
  return { table, sourceShard, name: undefined, sql: undefined, state: "waiting", rows: 0, bytes: 0, estimatedRows: 0, startedAt: undefined, copiedAt: undefined, endedAt: undefined, resumed: false, standby: undefined };
}

function keyOf(table: string, sourceShard: number | undefined): string {
  return sourceShard === undefined ? table : `${sourceShard} ${table}`;
}
