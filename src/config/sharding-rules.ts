import { placeText, quoted, type Place, type Problem } from "./configuration-error.js";
import { MAPPING, type ShardedMappingRow, type ShardedTableRow } from "./grammar.js";
import { mappingOf } from "./mappings.js";
import { placeOf, problemAt, readRows, textIn, type Row } from "./rows.js";
import type { Sections } from "./sections.js";
import type { KeyType, Mapping, ShardedSchema, ShardedTable, ShardingRules } from "./types.js";

/**
 * The sharding rules of one database, in the order of the files.
 *
 * @param shardCount - undefined where the shards themselves could not be made out; then shard numbers are not checked.
 */
export function shardingRulesOf(
  database: string,
  shardCount: number | undefined,
  sections: Sections,
  problems: Problem[],
  notes: string[],
): ShardingRules {
  const checkShard = (row: Row<{ readonly shard: number }>): void => {
    const { shard } = row.value;
    if (shardCount === undefined || shard < shardCount) return;
    const expected = shardCount === 1 ? "shard 0, its only one" : `a shard from 0 to ${shardCount - 1}`;
    problems.push(
      problemAt(
        placeOf(row, "shard"),
        "UNKNOWN_SHARD",
        `database ${quoted(database)} has no shard ${shard}`,
        expected,
      ),
    );
  };
  const ofDatabase = <Value extends { readonly database: string }>(rows: readonly Row<Value>[]): readonly Row<Value>[] =>
    rows.filter((row) => row.value.database === database);

  const tableRows = ofDatabase(sections.shardedTables.rows);
  const mappingRows = ofDatabase(sections.shardedMappings.rows);
  for (const row of mappingRows) checkShard(row);
  reportUnmatched(mappingRows, tableRows, sections, problems);

  const tables: ShardedTable[] = [];
  const seenTables = new Map<string, Place>();
  for (const row of tableRows) {
    const { schema, column, hasher } = row.value;
    const name = row.value.name ?? row.value.table;
    reportUnsupported(row, problems);
    reportTwice(seenTables, JSON.stringify([schema, name, column]), placeOf(row), "this [[sharded_tables]] entry", problems);
    const type = row.value.data_type;
    const mapping = type === "vector" ? [] : mappingOfTable(row, type, mappingRows, checkShard, problems, notes);
    tables.push({
      ...(name === undefined ? {} : { name }),
      ...(schema === undefined ? {} : { schema }),
      column,
      dataType: type === "vector" ? "bigint" : type,
      hasher,
      mapping,
    });
  }

  const schemas: ShardedSchema[] = [];
  const seenSchemas = new Map<string, Place>();
  for (const row of ofDatabase(sections.shardedSchemas.rows)) {
    const { name, shard, all } = row.value;
    if (!all) checkShard(row);
    const what = name === undefined ? "the rule for all other schemas" : `the schema ${quoted(name)}`;
    reportTwice(seenSchemas, JSON.stringify([name]), placeOf(row), what, problems);
    schemas.push({ ...(name === undefined ? {} : { name }), shard, ...(all ? { all } : {}) });
  }

  const omnisharded: string[] = [];
  for (const row of ofDatabase(sections.omnishardedTables.rows)) {
    for (const [index, table] of row.value.tables.entries()) {
      const rule = tableRows.find(({ value }) => value.schema === undefined && (value.name ?? value.table) === table);
      if (rule !== undefined) {
        problems.push(
          problemAt(
            placeOf(row, "tables", index),
            "CONFLICT",
            `table ${quoted(table)} has a sharding rule at ${placeText(placeOf(rule))}`,
            "either the one or the other",
          ),
        );
      }
      omnisharded.push(table);
    }
  }
  return { tables, schemas, omnisharded };
}

function mappingOfTable(
  row: Row<ShardedTableRow>,
  type: KeyType,
  mappingRows: readonly Row<ShardedMappingRow>[],
  checkShard: (row: Row<{ readonly shard: number }>) => void,
  problems: Problem[],
  notes: string[],
): readonly Mapping[] {
  const attached = mappingRows.filter((mapping) => matches(mapping.value, row.value));
  if (row.value.mapping === undefined || row.value.mapping.length === 0) return mappingOf(attached, type, problems);
  const inline = readRows(row.document, [...row.path, "mapping"], row.value.mapping, MAPPING, problems).rows;
  for (const mapping of inline) checkShard(mapping);
  for (const mapping of attached) {
    notes.push(`${placeText(placeOf(mapping))}: not used, because ${placeText(placeOf(row))} has a mapping of its own`);
  }
  return mappingOf(inline, type, problems);
}

function matches(mapping: ShardedMappingRow, table: ShardedTableRow): boolean {
  return (
    mapping.database === table.database &&
    mapping.column === table.column &&
    mapping.table === (table.name ?? table.table) &&
    (mapping.schema === undefined || table.schema === undefined || mapping.schema === table.schema)
  );
}

function reportUnmatched(
  mappings: readonly Row<ShardedMappingRow>[],
  tables: readonly Row<ShardedTableRow>[],
  sections: Sections,
  problems: Problem[],
): void {
  for (const row of mappings) {
    const { database, table, column } = row.value;
    if (tables.some((candidate) => matches(row.value, candidate.value))) continue;
    // The entry it belongs to may be among those that could not be read.
    if (!sections.complete || sections.shardedTables.broken.some((raw) => (textIn(raw, "column") ?? column) === column)) continue;
    const named = table === undefined ? "without a name" : `with name = ${quoted(table)}`;
    problems.push(
      problemAt(
        placeOf(row),
        "UNMATCHED_MAPPING",
        "this mapping belongs to no sharded table",
        `a [[sharded_tables]] entry ${named}, database = ${quoted(database)} and column = ${quoted(column)}`,
      ),
    );
  }
}

function reportTwice(seen: Map<string, Place>, key: string, place: Place, what: string, problems: Problem[]): void {
  const first = seen.get(key);
  if (first === undefined) seen.set(key, place);
  else problems.push(problemAt(place, "CONFLICT", `${what} is already at ${placeText(first)}`, "one entry for it"));
}

/** What PgDog can do and this project cannot: silently ignored, rows would land on other shards than PgDog looks on. */
function reportUnsupported(row: Row<ShardedTableRow>, problems: Problem[]): void {
  const { value } = row;
  const refuse = (key: string, message: string, expected: string): void => {
    problems.push(problemAt(placeOf(row, key), "UNSUPPORTED", message, expected));
  };
  if (value.name !== undefined && value.table !== undefined) {
    problems.push(
      problemAt(
        placeOf(row, "table"),
        "CONFLICT",
        "both name and table are given: they are the same key",
        "one of them",
      ),
    );
  }
  if (value.data_type === "vector") refuse("data_type", "sharding by vector is not supported", '"bigint", "uuid" or "varchar"');
  for (const key of ["centroids", "centroids_path", "centroid_probes"] as const) {
    if (value[key] !== undefined) refuse(key, `${key} is not supported`, "a column of type bigint, uuid or varchar, without it");
  }
  if (value.lookup_query !== undefined) {
    refuse("lookup_query", "lookup_query is not supported", "a column that holds the sharding key itself, or a mapping");
  }
  if (value.broadcast_null) {
    refuse("broadcast_null", "broadcast_null is not supported: a row with a NULL key goes to the default shard or is refused", "it to be left out");
  }
}
