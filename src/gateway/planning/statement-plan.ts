import type { KeyType } from "../../config/types.js";
import type { TableName } from "../../postgres/identifiers.js";
import type { ShardOfKey } from "../../sharding/table-route.js";

/**
 * What becomes of one statement on a sharded database. Made once for a text, whatever its parameters are; `shardsOf`
 * says for given parameters which shards it goes to.
 */
export type StatementPlan = RoutedPlan | SplitInsertPlan | InsertEverywherePlan | CopyInPlan | SessionPlan | TransactionPlan | RefusedPlan;

/** The text goes as it is to one, some or all shards. */
export interface RoutedPlan {
  readonly kind: "routed";
  readonly where: Where;
  /** What becomes of several shards' answers. */
  readonly gather: Gather;
  /**
   * It changes rows or takes row or table locks: shards that it reaches take part in the commit. No server sees a deadlock
   * over several shards: one after another in the order of their numbers, two such statements do not wait crosswise.
   */
  readonly writes: boolean;
  /** It changes the schema: the catalog is to be read anew, and it goes to all shards. */
  readonly definesSchema: boolean;
  /** It cannot run inside a transaction block (VACUUM, CREATE INDEX CONCURRENTLY): refused in one, and sent to each shard without BEGIN. */
  readonly alone: boolean;
  /**
   * Omnisharded tables whose rows it changes, on all shards. Two writers of one of them have to come in the same order on
   * each shard, or the copies drift apart and the writers wait for each other crosswise: run it on the first shard first,
   * on the others once that has answered, and commit the first shard last.
   */
  readonly everywhere: readonly TableName[];
  /** Sent instead of the text where it goes to several shards (LIMIT and OFFSET pushed down, hidden sort columns); it mentions the same parameters. */
  readonly textForSeveral?: string;
  /** DECLARE: the cursor lives on the shard that the statement went to; `hold` beyond the transaction. */
  readonly declares?: { readonly cursor: string; readonly hold: boolean };
}

/** Which shards. */
export type Where =
  /** One, and any is right: the transaction's, else each in turn. */
  | { readonly kind: "any" }
  /** Always shard 0: catalogs, server functions, sequences, advisory locks. */
  | { readonly kind: "first" }
  | { readonly kind: "every" }
  | { readonly kind: "fixed"; readonly shard: number }
  /** The shard on which the session declared the cursor: FETCH, MOVE, CLOSE, WHERE CURRENT OF. */
  | { readonly kind: "cursor"; readonly name: string }
  /**
   * By sharding keys. Each set holds the values that the keys of some of the statement's rows can have. With one set it
   * goes to all of that set's shards; with several all of them have to be of one and the same shard, or it is refused.
   */
  | { readonly kind: "keys"; readonly sets: readonly KeySet[] };

export interface KeySet {
  readonly shardOf: ShardOfKey;
  readonly dataType: KeyType;
  readonly values: readonly KeyValue[];
  /** The values become rows' keys (INSERT): NULL has a shard or is refused. Else they are compared with keys, and NULL equals none. */
  readonly stored: boolean;
  /** Of a `varchar(n)` that is stored: blanks beyond n characters are cut off before it is hashed, as the server does. */
  readonly maxLength?: number;
}

export type KeyValue =
  /** In PostgreSQL's binary send format; null is NULL. */
  | { readonly kind: "constant"; readonly bytes: Buffer | null }
  /** `$number`, from 1. */
  | { readonly kind: "parameter"; readonly number: number }
  /** `= ANY ($number)`: each element of an array. */
  | { readonly kind: "elements"; readonly number: number };

/** How the answers of several shards become the client's. */
export type Gather =
  /** One answer is everybody's: omnisharded rows, DDL, settings. The first shard's is passed on, once all have succeeded. */
  | { readonly kind: "same" }
  /** Rows (or COPY's lines) one after another; tags' row counts are added up. */
  | { readonly kind: "union"; readonly limit?: Count; readonly offset?: Count }
  /**
   * Rows merged in order; each shard answers in that order. The shards' rows have `hidden` more columns at their end than
   * the client asked for.
   */
  | { readonly kind: "merge"; readonly by: readonly SortKey[]; readonly hidden: number; readonly limit?: Count; readonly offset?: Count }
  /** One row, made from one row of each shard, column by column. */
  | { readonly kind: "aggregate"; readonly columns: readonly Aggregate[] }
  /** The answer of several shards would be wrong: refused where it is not one shard. */
  | { readonly kind: "one-shard-only"; readonly reason: string; readonly remedy: string };

export interface Aggregate {
  /** `count` and `sum` add up (of int2, int4, int8 and numeric; others are refused once the type is known); NULLs count nothing. */
  readonly function: "count" | "sum" | "min" | "max" | "bool_and" | "bool_or";
  /** See `SortKey`; of `min` and `max`. */
  readonly bytewise: boolean;
}

/** LIMIT or OFFSET. As a parameter, NULL is no limit; of a negative one the shards say the error. */
export type Count = { readonly kind: "constant"; readonly value: number } | { readonly kind: "parameter"; readonly number: number };

export interface SortKey {
  /** A column of the shards' rows, from 0; negative from their end: -1 is the last. */
  readonly column: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  /**
   * Text in it compares by its bytes (the C collation). Where it is false and the column's type, known when the rows'
   * description comes, is one that has a collation or an order of its own (enum, array, json …), the statement is refused.
   */
  readonly bytewise: boolean;
}

/** INSERT … VALUES with several rows: each to its shard, as an INSERT of the rows that are its own. */
export interface SplitInsertPlan {
  readonly kind: "split-insert";
  /** One for each row of VALUES. */
  readonly rows: readonly { readonly key: KeySet }[];
  /**
   * The statement with only these rows (from 0). Parameters keep their numbers, and the text may not mention all of them:
   * those need a type in Parse (25, say), or the server cannot tell theirs.
   */
  textOf(rows: readonly number[]): string;
  /** Clients expect the rows of RETURNING in the order of VALUES: where each shard returned as many as it was given, they go back to their places. */
  readonly returning: boolean;
}

/**
 * INSERT into an omnisharded table whose values a shard computes for itself (sequences, `now()`): run on the first shard,
 * with all columns returned, and what it returned is inserted on the others. Order as for `RoutedPlan.everywhere`.
 */
export interface InsertEverywherePlan {
  readonly kind: "insert-everywhere";
  readonly table: TableName;
  /** For the first shard: RETURNING the client's columns, and then the `columns` of which `otherText` takes the values. */
  readonly firstText: string;
  /** How many columns at the end are not the client's. */
  readonly columns: number;
  /** Whether the client asked for rows. */
  readonly returning: boolean;
  /** For the other shards, once for each row: takes `columns` parameters, in text format and without types, and inserts one row. */
  readonly otherText: string;
}

/** COPY … FROM STDIN: each row to its shard. */
export interface CopyInPlan {
  readonly kind: "copy-in";
  readonly where:
    | { readonly kind: "every" }
    /** One, and any is right: the shard makes the keys. */
    | { readonly kind: "any" }
    | { readonly kind: "fixed"; readonly shard: number }
    /** By the value of a column (from 0) of as many; `keySet` without values says how. */
    | { readonly kind: "key"; readonly column: number; readonly columns: number; readonly keySet: KeySet };
  /** As `RoutedPlan.everywhere`. */
  readonly everywhere: readonly TableName[];
  readonly format: "text" | "csv" | "binary";
  /** Of text and csv. */
  readonly delimiter: string;
  readonly nullText: string;
  readonly quote: string;
  readonly escape: string;
  readonly header: boolean;
}

/** About the session, which the gateway keeps: it is the same on every shard that the session comes to. */
export type SessionPlan = { readonly kind: "session" } & (
  /** `value` as `set_config` takes it; undefined resets it to its default. */
  | { readonly action: "set"; readonly name: string; readonly isLocal: boolean; readonly value: string | undefined }
  /** `SELECT set_config(name, value, local)`: one shard answers, and the session keeps it as `set`. */
  | { readonly action: "set-config"; readonly name: string; readonly isLocal: boolean; readonly value: TextValue }
  /** `pgdog.shard`, `pgdog.sharding_key` and the like: for the gateway alone. */
  | { readonly action: "route"; readonly name: "shard" | "sharding_key"; readonly isLocal: boolean; readonly value: string | undefined }
  /** SET TRANSACTION, SET CONSTRAINTS: the text is for every shard of the transaction, also those that it comes to later. */
  | { readonly action: "transaction-mode" }
  | { readonly action: "reset-all" | "discard-all" | "unlisten-all" | "deallocate-all" }
  | { readonly action: "listen" | "unlisten" | "notify"; readonly channel: string }
  | { readonly action: "prepare"; readonly name: string; readonly statement: string; readonly types: readonly string[] }
  | { readonly action: "execute"; readonly name: string; readonly values: readonly TextValue[] }
  | { readonly action: "deallocate"; readonly name: string }
);

export type TextValue =
  /** In text form; null is NULL. */
  | { readonly kind: "constant"; readonly text: string | null }
  | { readonly kind: "parameter"; readonly number: number }
  /** An expression, which only a server can evaluate: no sharding key. */
  | { readonly kind: "expression" };

export interface TransactionPlan {
  readonly kind: "transaction";
  readonly action: "begin" | "commit" | "rollback" | "savepoint" | "release" | "rollback-to";
  /** AND CHAIN. */
  readonly chain: boolean;
  /** Of a savepoint. */
  readonly name?: string;
}

/** It cannot be answered rightly: SQLSTATE 0A000, with what to change. */
export interface RefusedPlan {
  readonly kind: "refused";
  readonly reason: string;
  readonly remedy: string;
  /**
   * The catalog does not know a relation that it names: read the catalog anew and plan once more. What is still unknown
   * then goes to any shard, which answers with PostgreSQL's own error.
   */
  readonly unknownRelation?: TableName;
}
