import type pg from "pg";
import { makeBookkeeping } from "./make-bookkeeping.js";

/**
 * The bookkeeping on every destination shard. `reshard`, not `pg_reshard`: PostgreSQL reserves the prefix `pg_`.
 * Progress is written in the transaction of the data it describes, so the two cannot disagree.
 */
const STATEMENTS = [
  "CREATE SCHEMA IF NOT EXISTS reshard",
  `CREATE TABLE IF NOT EXISTS reshard.table_progress (
     migration text, source_shard int4, table_schema text, table_name text,
     snapshot_lsn pg_lsn NOT NULL, rows int8 NOT NULL, copied_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (migration, source_shard, table_schema, table_name))`,
  `CREATE TABLE IF NOT EXISTS reshard.stream_progress (
     migration text, source_shard int4, applied_lsn pg_lsn NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (migration, source_shard)) WITH (fillfactor = 10)`,
  `CREATE TABLE IF NOT EXISTS reshard.known_columns (
     migration text, table_schema text, table_name text, columns json NOT NULL,
     PRIMARY KEY (migration, table_schema, table_name))`,
  `CREATE TABLE IF NOT EXISTS reshard.migration (
     id text PRIMARY KEY, source text NOT NULL, destination text NOT NULL, publication text NOT NULL,
     slots json NOT NULL, finished_stages text[] NOT NULL DEFAULT '{}', phase text NOT NULL,
     started_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now())`,
  `CREATE TABLE IF NOT EXISTS reshard.cutover (
     migration text PRIMARY KEY, step text NOT NULL, outcome text, reason text,
     fences json, starts json, durations json NOT NULL DEFAULT '{}', paused float8,
     started_at timestamptz NOT NULL DEFAULT now(), step_at timestamptz NOT NULL DEFAULT now(), ended_at timestamptz)`,
  `CREATE TABLE IF NOT EXISTS reshard.task (
     id int8 PRIMARY KEY, kind text NOT NULL, source text NOT NULL, destination text NOT NULL, source_server text NOT NULL, publication text NOT NULL,
     slot text, phase text, reverse bool NOT NULL, status text NOT NULL, detail json NOT NULL,
     started_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, ended_at timestamptz)`,
];

/** Makes the schema `reshard` where it is missing, in the transaction that is open. */
export async function createProgressTables(client: pg.Client): Promise<void> {
  await makeBookkeeping(client, STATEMENTS);
}

/** True where `createProgressTables` has run. */
export async function hasProgressTables(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>("SELECT to_regclass('reshard.migration') IS NOT NULL AS there");
  return rows[0]!.there;
}

/**
 * Removes the bookkeeping from a shard, and the schema with it; but where columns draw their keys by the schema's function
 * (the cutover's), that and the schema stay.
 */
export async function dropProgressTables(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ used: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid
                     WHERE d.refclassid = 'pg_proc'::regclass AND d.classid = 'pg_attrdef'::regclass AND p.pronamespace = to_regnamespace('reshard'))
            OR to_regclass('reshard.two_phase_decision') IS NOT NULL AS used`,
  );
  if (!rows[0]!.used) await client.query("DROP SCHEMA IF EXISTS reshard CASCADE");
  else await client.query("DROP TABLE IF EXISTS reshard.table_progress, reshard.stream_progress, reshard.known_columns, reshard.migration, reshard.cutover, reshard.task");
}
