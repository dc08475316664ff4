import { qualifiedName, quoteIdentifier, type TableName, tableId } from "../postgres/identifiers.js";
import { type ListedTable, type PublicationDefinition, PUBLISHED_KINDS, type PublishedKind } from "../postgres/publication-definition.js";
import type { ReplicaIdentities, ReplicaIdentity } from "../postgres/replica-identities.js";
import type { PlannedStatement } from "./schema-plan.js";

/** What has to be so on a shard for its changes to be streamed back, and what is. */
export interface PublicationFacts {
  readonly source: PublicationDefinition;
  /** Of the tables that the source publishes, partitions included. */
  readonly sourceIdentities: ReplicaIdentities;
  /** Undefined where the shard has no publication of that name. */
  readonly shard: PublicationDefinition | undefined;
  /** Of all its tables. */
  readonly shardIdentities: ReplicaIdentities;
  /** The shard's may leave out those of insert, update, delete and truncate that the source's leaves out. */
  readonly allowPartial: boolean;
}

export interface PublicationPlan {
  readonly statements: readonly PlannedStatement[];
  /** Published tables and identities that are as they should be, and the publication itself. */
  readonly present: number;
  /** Published tables that the shard does not have. */
  readonly missing: readonly TableName[];
}

/** Completes a shard's publication to what the source's sends, with the same replica identities. What it publishes beyond that is left. */
export function planPublication({ source, sourceIdentities, shard, shardIdentities, allowPartial }: PublicationFacts): PublicationPlan {
  const kinds = PUBLISHED_KINDS.filter((kind) => !allowPartial || source.kinds.has(kind) || shard?.kinds.has(kind) === true);
  const publication = shard === undefined ? [createStatement(source, kinds)] : completingStatements(source, shard, kinds);
  const identities = [...sourceIdentities.values()].flatMap((table) => {
    const there = shardIdentities.get(tableId(table));
    return there === undefined || sameIdentity(table.identity, there.identity) ? [] : [planned("replica identity", table, identityStatement(table, table.identity), "updates and deletes name their row by it, as on the source", table)];
  });
  return {
    statements: [...publication, ...identities].map((statement, position) => ({ ...statement, position })),
    present: (shard === undefined ? 0 : Math.max(0, source.tables.length + 1 - publication.length)) + sourceIdentities.size - identities.length,
    missing: [...sourceIdentities.values()].filter((table) => !shardIdentities.has(tableId(table))),
  };
}

function createStatement(source: PublicationDefinition, kinds: readonly PublishedKind[]): PlannedStatement {
  const members = source.allTables ? " FOR ALL TABLES" : membersOf(source);
  const viaRoot = source.viaRoot ? ", publish_via_partition_root = true" : "";
  return planned("publication", publicationObject(source), `CREATE PUBLICATION ${quoteIdentifier(source.name)}${members} WITH (publish = '${kinds.join(", ")}'${viaRoot})`, "the shard's changes are streamed back by it");
}

function membersOf({ listed, schemas }: PublicationDefinition): string {
  const members = [...listed.map((table) => `TABLE ${member(table)}`), ...schemas.map((schema) => `TABLES IN SCHEMA ${quoteIdentifier(schema)}`)];
  return members.length === 0 ? "" : ` FOR ${members.join(", ")}`;
}

function completingStatements(source: PublicationDefinition, shard: PublicationDefinition, kinds: readonly PublishedKind[]): PlannedStatement[] {
  const alter = `ALTER PUBLICATION ${quoteIdentifier(shard.name)}`;
  const statement = (sql: string, reason: string, table?: TableName): PlannedStatement => planned("publication", publicationObject(source), `${alter} ${sql}`, reason, table);
  const left = kinds.filter((kind) => !shard.kinds.has(kind));
  const settings = [
    ...(left.length === 0 ? [] : [statement(`SET (publish = '${kinds.join(", ")}')`, `it leaves out ${left.join(", ")}`)]),
    ...(source.viaRoot === shard.viaRoot ? [] : [statement(`SET (publish_via_partition_root = ${String(source.viaRoot)})`, "as on the source")]),
  ];
  if (shard.allTables) return settings;
  const schemas = source.schemas.filter((schema) => !shard.schemas.includes(schema));
  const inSchemas = new Set([...shard.schemas, ...schemas]);
  const wanted = new Map(source.listed.map((table) => [tableId(table), table]));
  const listed = new Map(shard.listed.map((table) => [tableId(table), table]));
  const narrowed = shard.listed.flatMap((there) => {
    const published = source.tables.some((table) => tableId(table) === tableId(there)) || wanted.has(tableId(there));
    const table = wanted.get(tableId(there)) ?? whole(there);
    if (!published || !leavesOut(there, table)) return [];
    return [statement(`DROP TABLE ONLY ${qualifiedName(there)}; ${alter} ADD TABLE ${member(table)}`, "it leaves out columns or rows that the source's has", there)];
  });
  const covered = (table: TableName & { readonly root: TableName }): boolean =>
    listed.has(tableId(table)) || listed.has(tableId(table.root)) || inSchemas.has(table.schema) || shard.tables.some((there) => tableId(there) === tableId(table));
  // A listed table may be a root whose partitions are what is sent.
  const listedAnew = source.listed.filter((table) => !listed.has(tableId(table)) && !inSchemas.has(table.schema));
  const ids = new Set(listedAnew.map(tableId));
  const others = source.tables.filter((table) => !ids.has(tableId(table)) && !ids.has(tableId(table.root)) && !covered(table)).map(whole);
  return [
    ...settings,
    // First: column lists and schemas exclude one another.
    ...narrowed,
    ...schemas.map((schema) => statement(`ADD TABLES IN SCHEMA ${quoteIdentifier(schema)}`, "its tables are published on the source")),
    ...[...listedAnew, ...others].map((table) => statement(`ADD TABLE ${member(table)}`, "it is published on the source", table)),
  ];
}

/** Filters are compared by being there: a key that became bigint is printed in other words. */
function leavesOut(there: ListedTable, wanted: ListedTable): boolean {
  if (there.filter !== undefined && wanted.filter === undefined) return true;
  const { columns } = there;
  return columns !== undefined && (wanted.columns === undefined || wanted.columns.some((column) => !columns.includes(column)));
}

function whole({ schema, name }: TableName): ListedTable {
  return { schema, name, columns: undefined, filter: undefined };
}

function member(table: ListedTable): string {
  const columns = table.columns === undefined ? "" : ` (${table.columns.map(quoteIdentifier).join(", ")})`;
  return `ONLY ${qualifiedName(table)}${columns}${table.filter === undefined ? "" : ` WHERE (${table.filter})`}`;
}

function sameIdentity(wanted: ReplicaIdentity, there: ReplicaIdentity): boolean {
  if (wanted.kind !== "index" || there.kind !== "index") return wanted.kind === there.kind;
  return wanted.columns.length === there.columns.length && wanted.columns.every((column) => there.columns.includes(column));
}

function identityStatement(table: TableName, identity: ReplicaIdentity): string {
  const words = identity.kind === "index" ? `USING INDEX ${quoteIdentifier(identity.index)}` : identity.kind.toUpperCase();
  return `ALTER TABLE ONLY ${qualifiedName(table)} REPLICA IDENTITY ${words}`;
}

function publicationObject({ name }: PublicationDefinition): TableName {
  return { schema: "", name };
}

function planned(kind: string, object: TableName, sql: string, reason: string, table?: TableName): PlannedStatement {
  return {
    position: 0, sql, original: undefined, phase: "post-cutover", kind, reason, roles: [], parallel: false,
    object: { schema: object.schema, name: object.name },
    ...(table === undefined ? {} : { table: { schema: table.schema, name: table.name } }),
  };
}
