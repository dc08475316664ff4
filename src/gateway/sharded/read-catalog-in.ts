import pg from "pg";
import type { Database } from "../../config/types.js";
import { readShardedCatalog } from "../planning/read-sharded-catalog.js";
import { StatementPlanner } from "../planning/statement-planner.js";
import type { ShardSession } from "./shard-session.js";

/** Inside of the transaction: what is set for the reading is gone afterwards. */
const SAVEPOINT = "reshard_catalog";

/** node-postgres' own, by OID. */
const parserOf: (oid: number) => (value: string) => unknown = pg.types.getTypeParser;

/** The catalog as a transaction sees it that has changed the schema and is not committed. */
export async function readCatalogIn(session: ShardSession, { shards, sharding }: Database): Promise<StatementPlanner> {
  await session.execute(`SAVEPOINT ${SAVEPOINT}`, "SET LOCAL search_path = pg_catalog");
  try {
    const query = async (sql: string): Promise<{ rows: unknown[] }> => {
      const { rows, fields } = await session.ask(sql);
      const parsers = fields.map((field) => parserOf(field.typeOid));
      return { rows: rows.map((row) => Object.fromEntries(row.map((value, column) => [fields[column]!.name, value === null ? null : parsers[column]!(value)]))) };
    };
    return new StatementPlanner(await readShardedCatalog({ query }, sharding, shards.length));
  } finally {
    await session.execute(`ROLLBACK TO ${SAVEPOINT}`, `RELEASE ${SAVEPOINT}`);
  }
}
