import type pg from "pg";
import type { Pipeline, ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName, tableId, type TableName } from "../postgres/identifiers.js";
import type { ProgressKey } from "../progress/table-progress.js";
import { routeOfTable } from "../sharding/route-of-table.js";
import type { TableRoute } from "../sharding/table-route.js";
import type { CopyServer } from "./copy-server.js";
import type { SourceFacts } from "./preflight.js";
import { routedTable } from "./route-behind.js";
import { listed } from "../words.js";

/** One shard of the source, with what is taken from it. It has a slot, copies, a stream and progress of its own. */
export interface SourceShard {
  readonly number: number;
  readonly address: ServerAddress;
  /** `server_version_num`. */
  readonly version: number;
  /** Where tables are copied from. */
  readonly copyServers: readonly CopyServer[];
  /** Tables whose rows are taken from this shard, as they are there. */
  readonly tables: readonly PublishedTable[];
  readonly slot: string;
  readonly progress: ProgressKey;
  /** Asks the shard's catalog something, in a session of its own: a run outlives the servers' restarts. */
  monitor<T>(work: (client: pg.Client) => Promise<T>): Promise<T>;
  /** The published table of this name; fails where it was not there when the run began. */
  published(table: TableName): PublishedTable;
  /** False for tables that are the same on every source shard and are taken from another one. */
  takes(table: TableName): boolean;
  /** How the source spreads a table's rows over its shards. */
  sourceRoute(table: TableName): TableRoute;
}

export interface SourceShardParts {
  readonly number: number;
  readonly address: ServerAddress;
  readonly facts: SourceFacts;
  readonly copyServers: readonly CopyServer[];
  readonly slot: string;
  readonly migration: string;
  readonly monitor: SourceShard["monitor"];
}

/** Checks that the source's shards go together; returns how they share the rows, by `tableId`. */
export function checkSourcesAlike(pipeline: Pipeline, parts: readonly Pick<SourceShardParts, "address" | "facts">[]): ReadonlyMap<string, TableRoute> {
  const first = parts[0]!.facts.publication.tables;
  for (const part of parts.slice(1)) checkSameTables(first, part.facts.publication.tables, displayAddress(part.address));
  const routes = new Map(first.map((table) => [tableId(table), routeOfTable(routedTable(table), pipeline.from.sharding, parts.length)]));
  if (parts.length > 1) checkEverywhereTables(pipeline, first, routes, parts[0]!.facts.routes);
  return routes;
}

/** What is taken from each shard of the source, given what each was found to have. */
export function sourceShards(pipeline: Pipeline, parts: readonly SourceShardParts[]): SourceShard[] {
  const routes = checkSourcesAlike(pipeline, parts);
  return parts.map(({ number, address, facts, copyServers, slot, migration, monitor }) => {
    const tables = new Map(facts.publication.tables.map((table) => [tableId(table), table]));
    const takes = (table: TableName): boolean => number === 0 || routes.get(tableId(table))?.kind !== "omnisharded";
    return {
      number,
      address,
      version: facts.version,
      copyServers,
      tables: facts.publication.tables.filter(takes),
      slot,
      progress: { migration, sourceShard: number },
      monitor,
      published(table) {
        const found = tables.get(tableId(table));
        if (found === undefined) throw unknownTable(table);
        return found;
      },
      takes,
      sourceRoute(table) {
        const route = routes.get(tableId(table));
        if (route === undefined) throw unknownTable(table);
        return route;
      },
    };
  });
}

/** Sharded alike, the shards of one database have the same tables. */
function checkSameTables(first: readonly PublishedTable[], other: readonly PublishedTable[], server: string): void {
  const there = new Map(other.map((table) => [tableId(table), table]));
  const differences = first.flatMap((table) => {
    const found = there.get(tableId(table));
    if (found === undefined) return [`${displayName(table)} is not published`];
    there.delete(tableId(table));
    const columns = (of: PublishedTable): string => of.columns.map(({ name, type }) => `${name} ${type}`).sort().join(", ");
    if (columns(table) !== columns(found)) return [`${displayName(table)} has other columns (${columns(found)} instead of ${columns(table)})`];
    return [...table.key].sort().join() === [...found.key].sort().join() ? [] : [`${displayName(table)} has another key`];
  });
  for (const table of there.values()) differences.push(`${displayName(table)} is published there only`);
  if (differences.length === 0) return;
  throw new ReshardError("SOURCE_SHARDS_DIFFER", `${server} differs from the source's first shard: ${listed(differences, "; ")}.`, {
    place: { server },
    remedy: "Bring the source's shards to the same schema and the same publication.",
  });
}

/**
 * A table that no rule shards on the source is taken from the first shard alone. Where the destination shards it, that
 * is more likely a rule that was forgotten, and the other shards' rows would be left behind.
 */
function checkEverywhereTables(pipeline: Pipeline, tables: readonly PublishedTable[], onSource: ReadonlyMap<string, TableRoute>, onDestination: ReadonlyMap<string, TableRoute>): void {
  const meant = new Set(pipeline.from.sharding.omnisharded);
  const doubtful = tables.filter(
    (table) =>
      onSource.get(tableId(table))?.kind === "omnisharded" && onDestination.get(tableId(table))?.kind !== "omnisharded" &&
      !meant.has(table.root.name) && !meant.has(`${table.root.schema}.${table.root.name}`),
  );
  if (doubtful.length === 0) return;
  throw new ReshardError("SOURCE_RULE_MISSING", `${pipeline.to.name} shards ${doubtful.map(displayName).join(", ")}, but no rule says how ${pipeline.from.name} does, which has ${pipeline.from.shards.length} shards.`, {
    remedy: `Add the [[sharded_tables]] entries of database = "${pipeline.from.name}"; or where a table is the same on all its shards, list it in [[omnisharded_tables]].`,
  });
}

export function unknownTable(table: TableName): ReshardError {
  return new ReshardError("TABLE_UNKNOWN", `${displayName(table)} was added to the publication after this run began.`, {
    remedy: "Create it on every shard and start again: the stream goes on at this change.",
    place: { table: displayName(table) },
  });
}
