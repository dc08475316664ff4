import type pg from "pg";
import type { TableName } from "../postgres/identifiers.js";
import { databaseStatements } from "./catalog-database.js";
import { relationStatements } from "./catalog-relations.js";
import { routineStatements } from "./catalog-routines.js";
import type { CatalogStatement } from "./catalog-sql.js";
import { tablePartStatements } from "./catalog-table-parts.js";
import { textSearchStatements } from "./catalog-text-search.js";
import { typeStatements } from "./catalog-types.js";
import { type Catalog, catalogKey, type CatalogObject } from "./catalog.js";
import { readRoles } from "./run-statement.js";

interface Row {
  readonly kind: string;
  readonly schema: string;
  readonly owner: string | null;
  readonly name: string;
  readonly signature: string | null;
  readonly uses: readonly TableName[] | null;
  readonly since: number;
  readonly properties: Readonly<Record<string, string>>;
}

/**
 * Describes all objects of the session's database in one read-only transaction. Names come out in full, so that two
 * databases read alike whatever their search_path; works from version 15 on.
 */
export async function readCatalog(client: pg.Client): Promise<Catalog> {
  const objects = new Map<string, CatalogObject>();
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off");
  try {
    const { rows: [server] } = await client.query<{ version: number; present: boolean[] }>(VERSION_AND_WITNESSES);
    // Planning a statement takes longer than running it, and most databases have nothing of most kinds.
    const asked = STATEMENTS.filter(({ witness }) => witness === undefined || server!.present[WITNESSES.indexOf(witness)] === true);
    // In one message: most of them take less time than a round trip. The driver's types know of one result only.
    const results = (await client.query(asked.map(({ sql }) => sql).join(";\n"))) as unknown as readonly pg.QueryResult<Row>[];
    for (const { rows } of results) {
      for (const { owner, signature, uses, ...rest } of rows) {
        const object: CatalogObject = { ...rest, owner: owner ?? undefined, signature: signature ?? undefined, uses: uses ?? [] };
        objects.set(catalogKey(object), object);
      }
    }
    return { version: server!.version, roles: await readRoles(client), objects };
  } finally {
    await client.query("ROLLBACK");
  }
}

/** All there are; of most kinds they are asked only where there is something. */
export const STATEMENTS: readonly CatalogStatement[] = [...databaseStatements, ...typeStatements, ...routineStatements, ...relationStatements, ...tablePartStatements, ...textSearchStatements];

const WITNESSES = [...new Set(STATEMENTS.flatMap(({ witness }) => witness ?? []))];
const VERSION_AND_WITNESSES = `SELECT current_setting('server_version_num')::int4 / 10000 AS version, ARRAY[${WITNESSES.map((witness) => `EXISTS (SELECT FROM ${witness})`).join(", ")}] AS present`;
