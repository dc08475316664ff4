import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayName, type TableName, tableId } from "../postgres/identifiers.js";
import { reportedStatement } from "./reported-statement.js";
import { runStatement, statementFailed } from "./run-statement.js";
import type { KeyUnit, SchemaPlan } from "./schema-plan.js";
import type { StatementEvent } from "./schema-report.js";

export interface KeyOptions {
  /** Whose session `client` is. */
  readonly shard: ServerAddress;
  readonly onStatement?: (event: StatementEvent) => void;
}

/** The unit that builds a table's keys: of the table alone, or of its whole partition tree. */
export function keyUnitOf(plan: SchemaPlan, table: TableName): KeyUnit {
  const wanted = tableId(table);
  const unit = plan.keyUnits.find((candidate) => candidate.tables.some((name) => tableId(name) === wanted));
  if (unit !== undefined) return unit;
  throw new ReshardError("TABLE_NOT_IN_SCHEMA", `The dumped schema has no table ${displayName(table)}.`, {
    remedy: "It was made after the schema was dumped: run schema-sync again.",
    place: { table: displayName(table) },
  });
}

/**
 * Builds a table's primary key and replica identity, right after its rows. Of a partition it builds the keys of the
 * whole tree, so it is best called once the last of the unit's tables (`keyUnitOf`) has its rows; earlier, or several
 * times at once, it is correct too. Statements run one by one, not in a transaction of their own.
 *
 * Fails with SCHEMA_STATEMENT_FAILED.
 */
export async function applyKeys(plan: SchemaPlan, table: TableName, client: pg.Client, { shard, onStatement }: KeyOptions): Promise<void> {
  const unit = keyUnitOf(plan, table);
  await withUnitLock(client, unit.root, async () => {
    for (const statement of unit.statements) {
      await reportedStatement(client, { shard, statement, run: () => runStatement(client, statement, new Set()), onStatement }).catch((error: unknown) => {
        throw statementFailed(statement, shard, error);
      });
    }
  });
}

/** Two sessions that build the keys of one unit would both find them missing. */
export async function withUnitLock(client: pg.Client, root: TableName, work: () => Promise<void>): Promise<void> {
  const key = [`pg-reshard keys of ${tableId(root)}`];
  await client.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", key);
  try {
    await work();
  } finally {
    // Where the session is lost its locks are too; the loss itself is what the caller hears of.
    await client.query("SELECT pg_advisory_unlock(hashtextextended($1, 0))", key).catch(() => undefined);
  }
}
