import type pg from "pg";
import type { Pipeline, ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { checkReplicaIdentities, type Publication, type PublishedTable, readPublication, readServerVersion } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { readHiddenColumns } from "../postgres/hidden-columns.js";
import { displayName, qualifiedName, tableId } from "../postgres/identifiers.js";
import { checkPartitionIdentities } from "../postgres/partition-identities.js";
import { publishedKindsSql } from "../postgres/publication-definition.js";
import type { TableRoute } from "../sharding/table-route.js";
import { unmatchedRules } from "../sharding/unmatched-rules.js";
import { checkChain, checkNamesAfter } from "./check-chain.js";
import { checkHiddenColumns } from "./check-hidden-columns.js";
import type { ChainOf, PipelineOperators } from "./pipeline-operators.js";
import { routeBehind, routedTable } from "./route-behind.js";
import { tableAfter } from "./table-after.js";
import { shapeOf } from "./table-shapes.js";
import { streamFormatNotes } from "./value-formats.js";
import { listed } from "../words.js";

/** pg_get_publication_tables tells columns and filters since 15, and the slot options used here exist since then. */
const OLDEST_VERSION = 150000;

export interface SourceFacts {
  /** `server_version_num`. */
  readonly version: number;
  readonly publication: Publication;
  /** By `tableId`: the table as the shards have it, behind the pipeline's operators. */
  readonly after: ReadonlyMap<string, PublishedTable>;
  /** By `tableId`: where its rows go. Columns are named as in `after`. */
  readonly routes: ReadonlyMap<string, TableRoute>;
  /** Slots that can still be made on the source. */
  readonly freeSlots: number;
  readonly notes: readonly string[];
}

/** What a server that changes are streamed from has to be. */
export interface ReplicationFacts {
  /** `server_version_num`. */
  readonly version: number;
  /** Slots that can still be made, and read. */
  readonly freeSlots: number;
}

/** Checks that changes can be streamed from a server. */
export async function checkReplication(client: pg.Client, address: ServerAddress): Promise<ReplicationFacts> {
  const server = displayAddress(address);
  const place = { server };
  const version = await readServerVersion(client);
  if (version < OLDEST_VERSION) {
    throw new ReshardError("SERVER_TOO_OLD", `${server} runs PostgreSQL ${Math.floor(version / 10000)}; 15 or later is needed.`, { place, remedy: "Upgrade the source first." });
  }
  const { rows } = await client.query<{ wal_level: string; slots: number; senders: number; may_replicate: boolean; in_recovery: boolean }>(
    `SELECT current_setting('wal_level') AS wal_level,
            current_setting('max_replication_slots')::int4 - (SELECT count(*) FROM pg_replication_slots)::int4 AS slots,
            current_setting('max_wal_senders')::int4 - (SELECT count(*) FROM pg_stat_replication)::int4 AS senders,
            (SELECT rolsuper OR rolreplication OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'rds_replication' AND pg_has_role(r.oid, 'MEMBER'))
               FROM pg_roles WHERE rolname = current_user) AS may_replicate,
            pg_is_in_recovery() AS in_recovery`,
  );
  const facts = rows[0]!;
  if (facts.in_recovery) {
    throw new ReshardError("SOURCE_IS_STANDBY", `${server} is a standby.`, { place, remedy: "Name the primary in [[databases]], and standbys with role = \"replica\"." });
  }
  if (facts.wal_level !== "logical") {
    throw new ReshardError("WAL_LEVEL", `${server} has wal_level = ${facts.wal_level}.`, {
      place,
      remedy: "ALTER SYSTEM SET wal_level = 'logical'; and restart the server.",
    });
  }
  if (!facts.may_replicate) {
    throw new ReshardError("REPLICATION_PRIVILEGE", `${server}: user "${address.user}" may not use replication.`, {
      place,
      remedy: `ALTER ROLE ${client.escapeIdentifier(address.user)} REPLICATION;`,
    });
  }
  return { version, freeSlots: Math.min(facts.slots, facts.senders) };
}

/**
 * Reads and checks all that has to be right on a shard of the source before anything is made anywhere.
 *
 * @param operators - those that rows pass; those that rows of all source shards pass need be checked against the tables of one
 */
export async function checkSource(client: pg.Client, pipeline: Pipeline, address: ServerAddress, operators?: { readonly chainOf: ChainOf; readonly checkTables?: PipelineOperators["checkTables"] }): Promise<SourceFacts> {
  const { version, freeSlots } = await checkReplication(client, address);
  const publication = await readPublication(client, pipeline.publication);
  // First: to publish updates of a table without identity would make them fail on the source.
  checkReplicaIdentities(publication.tables);
  const missingKinds = await readMissingKinds(client, publication.name);
  if (!pipeline.allowPartialPublication) checkPublishedKinds(client, publication.name, missingKinds);
  await checkPartitionIdentities(client, publication.tables);
  const hidden = await readHiddenColumns(client, pipeline.publication);
  for (const { sharding, shards } of pipeline.from.shards.length > 1 ? [pipeline.from, pipeline.to] : [pipeline.to]) checkHiddenColumns(publication.tables, hidden, sharding, shards.length);
  operators?.checkTables?.(publication.tables);
  const { after, routes } = behindOperators(publication.tables, pipeline, operators?.chainOf ?? (() => undefined));
  const unmatched = unmatchedRules([...after.values()].map(routedTable), pipeline.to.sharding);
  if (unmatched.length > 0) {
    throw new ReshardError("RULE_WITHOUT_TABLE", `No published table fits ${unmatched.map((rule) => `[[${rule.section}]] ${rule.names}`).join("; ")}.`, {
      remedy: "Correct the name, add the table to the publication, or remove the rule.",
    });
  }
  const notes = [...unsentKinds(publication, missingKinds), ...nullableKeys(publication, after, routes), ...publishedRoots(publication), ...streamFormatNotes(publication.tables, pipeline)];
  return { version, publication, after, routes, freeSlots, notes };
}

/** What becomes of each table. */
function behindOperators(tables: readonly PublishedTable[], pipeline: Pipeline, chainOf: ChainOf): Pick<SourceFacts, "after" | "routes"> {
  const after = new Map<string, PublishedTable>();
  const routes = new Map<string, TableRoute>();
  for (const table of tables) {
    const chain = chainOf(shapeOf(table));
    if (chain !== undefined) checkChain(table, chain, pipeline);
    const becomes = tableAfter(table, chain);
    after.set(tableId(table), becomes);
    routes.set(tableId(table), routeBehind(becomes, chain, pipeline.to.sharding, pipeline.to.shards.length));
  }
  checkNamesAfter(tables, after);
  return { after, routes };
}

/** The kinds of change that the publication leaves out. */
async function readMissingKinds(client: pg.Client, publication: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ missing: string[] }>(
    `SELECT ${publishedKindsSql("left out")} AS missing FROM pg_publication p WHERE p.pubname = $1`,
    [publication],
  );
  return rows[0]?.missing ?? [];
}

function checkPublishedKinds(client: pg.Client, publication: string, missing: readonly string[]): void {
  if (missing.length === 0) return;
  throw new ReshardError("PUBLICATION_INCOMPLETE", `The publication "${publication}" leaves out ${missing.join(", ")}: the shards would drift from the source.`, {
    remedy: `ALTER PUBLICATION ${client.escapeIdentifier(publication)} SET (publish = 'insert, update, delete, truncate'); or, if the shards are to lack those changes, allow_partial_publication = true in [pipeline] (--allow-partial-publication).`,
  });
}

function unsentKinds(publication: Publication, missing: readonly string[]): string[] {
  if (missing.length === 0) return [];
  return [`The publication "${publication.name}" leaves out ${missing.join(", ")}: such changes made since a table's copy are missing on the shards, and verify, which compares all rows, shows them as differences.`];
}

function nullableKeys(publication: Publication, after: SourceFacts["after"], routes: ReadonlyMap<string, TableRoute>): string[] {
  return publication.tables.flatMap((table) => {
    const route = routes.get(tableId(table))!;
    if (route.kind !== "key") return [];
    const column = table.columns[after.get(tableId(table))!.columns.findIndex((candidate) => candidate.name === route.column)];
    if (column === undefined || column.notNull) return [];
    return [`${displayName(table)}.${column.name} is a sharding key and may be NULL: a row without it stops the move, unless a default mapping takes it.`];
  });
}

function publishedRoots(publication: Publication): string[] {
  const roots = publication.tables.filter((table) => table.partitioned).map(displayName);
  if (roots.length === 0) return [];
  return [`${roots.join(", ")}: published as a whole (publish_via_partition_root), so the source sends no TRUNCATE of a single partition and nothing of rows that come or go by ATTACH or DETACH; verify shows what was missed.`];
}

/**
 * Fails where a table has rows on a shard already: they are nobody's to remove.
 *
 * @param tables - as the shards have them
 */
export async function checkDestinationEmpty(client: pg.Client, server: string, tables: Iterable<PublishedTable>): Promise<void> {
  const full: string[] = [];
  for (const table of tables) {
    const { rows } = await client.query<{ there: boolean }>("SELECT to_regclass($1) IS NOT NULL AS there", [qualifiedName(table)]);
    if (!rows[0]!.there) continue;
    const found = await client.query<{ full: boolean }>(`SELECT EXISTS (SELECT FROM ${table.partitioned ? "" : "ONLY "}${qualifiedName(table)}) AS full`);
    if (found.rows[0]!.full) full.push(displayName(table));
  }
  if (full.length === 0) return;
  throw new ReshardError("DESTINATION_NOT_EMPTY", `${server} has rows in ${listed(full)}, which were there before this migration.`, {
    place: { server },
    remedy: "Name an empty destination, or remove those rows yourself (TRUNCATE). If they are of a migration that ran before, its journal is gone: drop the tables and start anew.",
  });
}
