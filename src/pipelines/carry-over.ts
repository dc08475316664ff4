import type pg from "pg";
import { ReshardError } from "../errors.js";
import { addColumnStatements } from "../postgres/added-columns.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { readKnownColumns } from "../progress/known-columns.js";
import { readTableProgress } from "../progress/table-progress.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import { copyTables } from "./copy.js";
import type { Migration } from "./migration.js";
import { checkDestinationEmpty } from "./preflight.js";
import { makesSchema } from "./makes-schema.js";
import { syncSchema } from "./schema-sync.js";
import type { CarriedOver } from "./schema-changed.js";
import { readSlot } from "./slot-state.js";

/** Does on the shards what was done on the source. Tables that were added are left to `takeOverAddedTables`. */
export async function carryOver(migration: Migration, change: CarriedOver): Promise<void> {
  if (change.kind === "table") return;
  if (change.kind === "partition") {
    await syncSchema(migration, { phase: "pre", compared: [] });
    await syncSchema(migration, { phase: "key", compared: [] });
    return;
  }
  // The columns' types may be new too: what the schema has before its first table.
  const plan = await migration.schemaPlan();
  const firstTable = plan.statements.findIndex((statement) => statement.kind === "table");
  await syncSchema(withPlan(migration, { ...plan, statements: plan.statements.slice(0, Math.max(0, firstTable)) }), { phase: "pre", compared: [] });
  await onEveryShard(migration, async (client) => {
    await client.query("BEGIN");
    for (const column of change.columns) for (const statement of addColumnStatements(column, (text) => client.escapeLiteral(text))) await client.query(statement);
    await client.query("COMMIT");
  });
  const names = change.columns.map(({ name, type }) => `"${name}" ${type}`).join(", ");
  migration.report({ type: "note", message: `${displayName(change.table)}: ${names} was added on the source, and so on every shard.` });
}

/**
 * Brings the rows of tables that were made, or added to the publication, after the others were copied; with
 * `on_ddl = "apply"` it makes the tables too. Nothing to do where the rows were not copied by this migration, or no slot keeps what changes meanwhile.
 */
export async function takeOverAddedTables(migration: Migration): Promise<void> {
  const slots = await Promise.all(migration.sources.map((source) => source.monitor((client) => readSlot(client, source.slot))));
  if (slots.includes(undefined)) return;
  const { begun, complete } = await copiedTables(migration);
  if (begun.size === 0) return;
  await checkStillPublished(migration);
  const added = migration.tables.filter((table) => !complete(table));
  if (added.length === 0) return;
  const { pipeline, shards, entry } = migration;
  const applies = pipeline.onDdl === "apply";
  if (applies) await syncSchema(migration, { phase: "pre", compared: [] });
  await onEveryShard(migration, (client, shard) => checkNewTables(client, displayAddress(shards[shard]!), added.filter((table) => !begun.has(tableId(table))).map((table) => migration.after(table))));
  const ids = new Set(added.map(tableId));
  const isAdded = (table: PublishedTable): boolean => ids.has(tableId(table));
  migration.report({ type: "note", message: `Added on the source since the copy, and copied now: ${added.map(displayName).join(", ")}.` });
  await copyTables(migration, { buildKeys: applies || pipeline.stages.some(makesSchema), isWanted: isAdded });
  if (!applies || !entry.finishedStages.includes("schema_sync:post")) return;
  const plan = await migration.schemaPlan();
  await syncSchema(withPlan(migration, { ...plan, statements: plan.statements.filter(({ table }) => table !== undefined && ids.has(tableId(table))) }), { phase: "post", compared: [] });
}

/** Tables that have come to some shard from some source shard, and those that have to all of them from all. */
async function copiedTables(migration: Migration): Promise<{ readonly begun: ReadonlySet<string>; readonly complete: (table: PublishedTable) => boolean }> {
  const found = await Promise.all(
    migration.shards.map((shard) => migration.sessions.kept.use(shard, "journal", async (client) => {
      const ids: string[] = [];
      for (const source of migration.sources) ids.push(...(await readTableProgress(client, source.progress)).keys());
      return ids;
    })),
  );
  const times = new Map<string, number>();
  for (const id of found.flat()) times.set(id, (times.get(id) ?? 0) + 1);
  const all = (table: PublishedTable): number => migration.shards.length * migration.sources.filter((source) => source.takes(table)).length;
  return { begun: new Set(times.keys()), complete: (table) => times.get(tableId(table)) === all(table) };
}

/** What is taken out of the publication changes unseen. */
async function checkStillPublished(migration: Migration): Promise<void> {
  const known = await migration.journal((client) => readKnownColumns(client, migration.id));
  const published = new Set(migration.tables.map(tableId));
  const left = [...known.keys()].filter((id) => !published.has(id));
  if (left.length === 0) return;
  const { rows } = await migration.sources[0]!.monitor((client) =>
    client.query<{ schema: string; name: string }>("SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')"),
  );
  const hidden = rows.filter((row) => left.includes(tableId(row)));
  if (hidden.length === 0) return;
  const names = hidden.map(displayName).join(", ");
  throw new ReshardError("PUBLICATION_NARROWED", `${names}: published when the migration began and not any more, so that changes made since are missing on the shards.`, {
    remedy: `If ${hidden.length === 1 ? "it is" : "they are"} not to be moved after all, run on the first shard: DELETE FROM reshard.known_columns WHERE (table_schema, table_name) IN (…). Else put ${hidden.length === 1 ? "it" : "them"} back into the publication, and run on every shard TRUNCATE … and DELETE FROM reshard.table_progress WHERE (table_schema, table_name) IN (…): the next run copies anew.`,
  });
}

/** The table is there and has no rows: they would be there twice. */
async function checkNewTables(client: pg.Client, server: string, tables: readonly PublishedTable[]): Promise<void> {
  try {
    await checkDestinationEmpty(client, server, tables);
  } catch (error) {
    if (!(error instanceof ReshardError)) throw error;
    throw new ReshardError(error.code, error.message, {
      place: error.place,
      remedy: "Where a table was renamed on the source and on the shards, say so on every shard: UPDATE reshard.table_progress SET table_name = 'new' WHERE table_name = 'old'. Else empty it there: its rows are to be copied.",
      cause: error,
    });
  }
}

function withPlan(migration: Migration, plan: SchemaPlan): Migration {
  return { ...migration, schemaPlan: () => Promise.resolve(plan) };
}

async function onEveryShard(migration: Migration, work: (client: pg.Client, shard: number) => Promise<void>): Promise<void> {
  await Promise.all(
    migration.shards.map((shard, index) => migration.sessions.kept.useOnce(shard, "schema", (client) => work(client, index))),
  );
}
