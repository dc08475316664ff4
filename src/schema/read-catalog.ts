import type pg from "pg";
import type { TableName } from "../postgres/identifiers.js";
import { databaseStatements } from "./catalog-database.js";
import { relationStatements } from "./catalog-relations.js";
import { routineStatements } from "./catalog-routines.js";
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
    const { rows: [server] } = await client.query<{ version: number }>("SELECT current_setting('server_version_num')::int4 / 10000 AS version");
    // In one message: most of them take less time than a round trip. The driver's types know of one result only.
    const results = (await client.query(STATEMENTS.join(";\n"))) as unknown as readonly pg.QueryResult<Row>[];
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

const STATEMENTS: readonly string[] = [...databaseStatements, ...typeStatements, ...routineStatements, ...relationStatements, ...tablePartStatements, ...textSearchStatements];
