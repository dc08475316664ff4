import { elapsed, type SchemaRow } from "./schema-progress.js";

/** A row of `SHOW SCHEMA_SYNC`: PgDog's columns, and after them what it does not tell. */
export interface SchemaSyncRow {
  readonly database: string;
  readonly user: string;
  readonly shard: number;
  /** `table` and `index` for what makes those, constraints with an index included; else `statement`. */
  readonly kind: "table" | "index" | "statement";
  readonly sync_state: SchemaRow["state"];
  readonly started_at: Date | undefined;
  /** `HH:MM:SS.mmm`. */
  readonly elapsed: string | undefined;
  readonly elapsed_ms: number | undefined;
  readonly table_schema: string | undefined;
  readonly table_name: string | undefined;
  readonly sql: string;
  readonly phase: string;
  /** What the statement makes: `foreign key`, `comment` … */
  readonly statement_kind: string;
  /** Of the step that an index build is at, 0 to 100. */
  readonly percent: number | undefined;
  readonly step: string | undefined;
  readonly error: string | undefined;
}

const INDEX_KINDS = new Set(["index", "primary key", "unique constraint", "exclusion constraint"]);

/** @param now milliseconds since 1970, as the events' times are to have been */
export function schemaSyncRow(row: SchemaRow, { database, user }: { readonly database: string; readonly user: string }, now: number): SchemaSyncRow {
  const milliseconds = elapsed(row, now);
  return {
    database,
    user,
    shard: row.shard,
    kind: row.kind === "table" ? "table" : INDEX_KINDS.has(row.kind) ? "index" : "statement",
    sync_state: row.state,
    started_at: row.startedAt === undefined ? undefined : new Date(row.startedAt),
    elapsed: milliseconds === undefined ? undefined : clock(milliseconds),
    elapsed_ms: milliseconds,
    table_schema: row.table?.schema,
    table_name: row.table?.name,
    sql: row.sql,
    phase: row.phase,
    statement_kind: row.kind,
    percent: row.share === undefined ? undefined : Math.floor(row.share * 100),
    step: row.doing,
    error: row.message,
  };
}

/** `HH:MM:SS.mmm`. */
export function clock(milliseconds: number): string {
  const two = (number: number): string => Math.floor(number).toString().padStart(2, "0");
  const seconds = milliseconds / 1000;
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}.${Math.floor(milliseconds % 1000).toString().padStart(3, "0")}`;
}
