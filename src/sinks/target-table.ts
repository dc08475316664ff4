import type pg from "pg";
import { ReshardError } from "../errors.js";
import { displayName, qualifiedName, quoteIdentifier, type TableName } from "../postgres/identifiers.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { narrowedBytes } from "../postgres/narrow-integer.js";
import { isWidening } from "../postgres/widen-integer.js";
import type { RowType } from "./row-array.js";

/** A relation's columns as they are on one shard, in the relation's order. */
export interface TargetColumn {
  readonly name: string;
  /** What the column travels as: its type (the one under a domain, for NULL in place of an absent value may not be one of the domain's), or text. */
  readonly type: string;
  readonly typeOid: number;
  readonly asText: boolean;
  /** The values come in another type that the column had before: they are cast. */
  readonly former: boolean;
  /** SQL of the type to read text as, where `asText`, or to cast to, where `former`. */
  readonly columnType: string;
  /** SQL name of the type's input function, where a cast from text would do something else; null where it does the same. */
  readonly inputFunction: string | null;
  /** An integer key that is smaller on the source, and bigint on the shard. */
  readonly widened: boolean;
  /** Bytes of an integer that is bigint on the source: where a database that was left takes changes back. Else 0. */
  readonly narrowedTo: 0 | 2 | 4;
  readonly identityAlways: boolean;
  /**
   * What comes is not written: the shard computes it itself (a publication may send it all the same,
   * publish_generated_columns, since 18), or does not have the column any more.
   */
  readonly unwritten: boolean;
  /** Never NULL, and of a type whose `=` can be hashed: rows may be looked for by it. */
  readonly searchable: boolean;
}

/** A table on one shard, ready to have changes applied. */
export interface TargetTable {
  readonly table: TableName;
  /** UPDATE and DELETE say ONLY, lest they reach into inheritance children. */
  readonly only: boolean;
  /** Policies decide what this user may write. */
  readonly rowSecurity: boolean;
  readonly columns: readonly TargetColumn[];
  /** Places of the columns that name a row; none where only all of them together do. */
  readonly key: readonly number[];
  /**
   * Places of the key's columns by which rows are put in order before they are looked up. None where sorting costs more
   * than it saves, or where another unique index has values that are only free in the order in which rows arrive.
   */
  readonly order: readonly number[];
  /** SQL name of the composite type that rows travel as. */
  readonly rowTypeName: string;
  readonly rowType: RowType;
}

/** Types with OIDs below have the same on every server (FirstNormalObjectId, access/transam.h). */
const FIRST_NORMAL_OID = 16384;
/** Types that compare as numbers or bytes, not by a collation's rules: int8, int2, int4, oid, date, timestamp, timestamptz, uuid. */
const QUICKLY_SORTED = new Set([20, 21, 23, 26, 1082, 1114, 1184, 2950]);
const TEXT_OID = 25;
const BYTEA_OID = 17;

interface ColumnRow {
  name: string;
  type_oid: string;
  base_type: string;
  base_oid: string;
  sends_binary: boolean;
  input_function: string | null;
  identity_always: boolean;
  generated: boolean;
  searchable: boolean;
}

const COLUMNS_SQL = `
  SELECT a.attname AS name, a.atttypid AS type_oid, up.base_oid, format_type(up.base_oid, up.typmod) AS base_type,
         own.typsend <> 0 AS sends_binary,
         (SELECT format('%I.%I', n.nspname, p.proname) FROM pg_cast c, pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
           WHERE c.castsource = 'text'::regtype AND c.casttarget = t.oid AND c.castmethod = 'f' AND p.oid = t.typinput AND p.pronargs = 1) AS input_function,
         a.attidentity = 'a' AS identity_always, a.attgenerated <> '' AS generated,
         a.attnotnull AND up.base_oid = ANY ('{int2,int4,int8,oid,numeric,text,varchar,bpchar,bytea,uuid,date,timestamp,timestamptz}'::regtype[]) AS searchable
    FROM pg_attribute a
    CROSS JOIN LATERAL (
      WITH RECURSIVE up (oid, typmod, depth) AS (
        SELECT a.atttypid, a.atttypmod, 0
        UNION ALL
        SELECT d.typbasetype, d.typtypmod, up.depth + 1 FROM up JOIN pg_type d ON d.oid = up.oid AND d.typtype = 'd')
      SELECT up.oid AS base_oid, up.typmod FROM up ORDER BY depth DESC LIMIT 1) AS up
    JOIN pg_type t ON t.oid = up.base_oid
    JOIN pg_type own ON own.oid = a.atttypid
   WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped`;

/** Columns of the unique indexes that ON CONFLICT could use. */
const UNIQUE_KEYS_SQL = `
  SELECT (SELECT json_agg(a.attname ORDER BY k.position)
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
           WHERE k.position <= i.indnkeyatts) AS columns
    FROM pg_index i
   WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL`;

export interface TargetTableOptions {
  /** The columns that name a row; none where only all of them together do. */
  readonly key: readonly string[];
  /** What the source streams in. */
  readonly format: ValueFormat;
  readonly sourceShard: number;
  readonly generation: number;
  /** Columns that are streamed but gone on the shard, as they are on the source by now: their values are left out. */
  readonly forgotten?: ReadonlySet<string>;
  /** Columns that are streamed in the type they had before, and have the source's new one on the shard. */
  readonly former?: ReadonlySet<string>;
}

/**
 * Looks a relation up on a shard and makes the composite type for its rows. `generation` counts the definitions of the
 * relation that this session has seen: each has a type of its own, for changes under two of them may share a batch.
 * Fails where the table, a column or the key is missing there, or a built-in type differs.
 */
export async function prepareTargetTable(client: pg.Client, relation: PgoutputRelation, { key, format, sourceShard, generation, forgotten, former }: TargetTableOptions): Promise<TargetTable> {
  const name = qualifiedName(relation);
  const found = await client.query<{ oid: string | null; partitioned: boolean; row_security: boolean; unique_indexes: number }>(
    `SELECT c.oid, c.relkind = 'p' AS partitioned, row_security_active(c.oid) AS row_security,
            (SELECT count(*)::int4 FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)) AS unique_indexes
       FROM pg_class c WHERE c.oid = to_regclass($1)`,
    [name],
  );
  const target = found.rows[0];
  if (target?.oid === null || target === undefined) throw schemaDiffers(relation, "the table does not exist on the shard");
  const onShard = new Map((await client.query<ColumnRow>({ name: "target columns", text: COLUMNS_SQL, values: [target.oid] })).rows.map((row) => [row.name, row]));
  const formerTypes = await readTypes(client, relation, former);
  const columns = relation.columns.map((column): TargetColumn => {
    const there = onShard.get(column.name);
    if (there === undefined && forgotten?.has(column.name) === true) return forgottenColumn(column.name, format);
    if (there === undefined) throw schemaDiffers(relation, `the column "${column.name}" does not exist on the shard`);
    const typeOid = Number(there.type_oid);
    const widened = isWidening(column.typeOid, typeOid);
    const narrowedTo = narrowedBytes(column.typeOid, typeOid) ?? 0;
    const formerType = formerTypes.get(column.typeOid);
    const isFormer = formerType !== undefined && former?.has(column.name) === true;
    if (!isFormer && !widened && narrowedTo === 0 && column.typeOid !== typeOid && (column.typeOid < FIRST_NORMAL_OID || typeOid < FIRST_NORMAL_OID)) {
      throw schemaDiffers(relation, `the column "${column.name}" has another type on the shard (${there.base_type})`);
    }
    // The source decides so too (logicalrep_write_tuple, replication/logical/proto.c).
    const asText = format === "text" || !(isFormer ? formerType.sends_binary : there.sends_binary);
    return {
      name: column.name,
      type: asText ? "text" : isFormer ? formerType.type : there.base_type,
      typeOid: asText ? TEXT_OID : isFormer ? column.typeOid : Number(there.base_oid),
      asText,
      former: isFormer,
      columnType: there.base_type,
      inputFunction: there.input_function,
      widened: widened && !asText && !isFormer,
      narrowedTo: isFormer ? 0 : narrowedTo,
      identityAlways: there.identity_always,
      unwritten: there.generated,
      searchable: there.searchable && !asText,
    };
  });
  if (key.length > 0) await checkUniqueKey(client, relation, target.oid, key);
  const rowTypeName = `reshard.${quoteIdentifier(`row_${sourceShard}_${target.oid}_${generation}`)}`;
  await client.query(
    `DROP TYPE IF EXISTS ${rowTypeName};
     CREATE TYPE ${rowTypeName} AS (${columns.map((column, index) => `"${index + 1}" ${column.type}`).join(", ")})`,
  );
  const rowType = await client.query<{ oid: string }>("SELECT $1::regtype::oid AS oid", [rowTypeName]);
  const keyColumns = key.map((column) => relation.columns.findIndex((candidate) => candidate.name === column));
  const quickly = keyColumns.every((index) => !columns[index]!.former && QUICKLY_SORTED.has(columns[index]!.typeOid));
  return {
    table: { schema: relation.schema, name: relation.name },
    only: !target.partitioned,
    rowSecurity: target.row_security,
    columns,
    key: keyColumns,
    order: target.unique_indexes === 1 && quickly ? keyColumns : [],
    rowTypeName,
    rowType: { oid: Number(rowType.rows[0]!.oid), attributes: columns },
  };
}

interface FormerType {
  readonly type: string;
  readonly sends_binary: boolean;
}

/** Types that columns had before, by OID: built-in ones alone mean the same here. */
async function readTypes(client: pg.Client, relation: PgoutputRelation, former: ReadonlySet<string> | undefined): Promise<ReadonlyMap<number, FormerType>> {
  if (former === undefined || former.size === 0) return new Map();
  const oids = relation.columns.filter(({ name, typeOid }) => former.has(name) && typeOid < FIRST_NORMAL_OID).map(({ typeOid }) => typeOid);
  const { rows } = await client.query<FormerType & { oid: string }>("SELECT oid, format_type(oid, NULL) AS type, typsend <> 0 AS sends_binary FROM pg_type WHERE oid = ANY ($1::oid[])", [oids]);
  return new Map(rows.map((row) => [Number(row.oid), row]));
}

/** Any bytes are a bytea, and nothing reads them. */
function forgottenColumn(name: string, format: ValueFormat): TargetColumn {
  const asText = format === "text";
  return {
    name, type: asText ? "text" : "bytea", typeOid: asText ? TEXT_OID : BYTEA_OID, asText, former: false, columnType: "bytea", inputFunction: null,
    widened: false, narrowedTo: 0, identityAlways: false, unwritten: true, searchable: false,
  };
}

async function checkUniqueKey(client: pg.Client, relation: TableName, target: string, key: readonly string[]): Promise<void> {
  const uniqueKeys = (await client.query<{ columns: string[] | null }>({ name: "unique keys", text: UNIQUE_KEYS_SQL, values: [target] })).rows;
  const wanted = [...key].sort().join("\0");
  if (uniqueKeys.some((row) => row.columns !== null && [...row.columns].sort().join("\0") === wanted)) return;
  throw new ReshardError("KEY_MISSING", `${displayName(relation)} has no unique index on (${key.join(", ")}) on the shard.`, {
    remedy: "Run `pg-reshard schema-sync` for the same databases, or create the index, and start again.",
    place: { table: displayName(relation) },
  });
}

function schemaDiffers(table: TableName, what: string): ReshardError {
  return new ReshardError("SCHEMA_DIFFERS", `${displayName(table)}: ${what}.`, {
    remedy: "Change the table on every shard as it was changed on the source and start again: the stream goes on at this change.",
    place: { table: displayName(table) },
  });
}
