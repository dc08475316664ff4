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
  /** It changes rows or takes row locks: shards that it reaches take part in the commit. */
  readonly writes: boolean;
  /** It changes the schema: the catalog is to be read anew, and it goes to all shards. */
  readonly definesSchema: boolean;
  /** Sent instead of the text where it goes to several shards (LIMIT and OFFSET pushed down); parameters keep their numbers. */
  readonly textForSeveral?: string;
}

/** Which shards. */
export type Where =
  /** The same on all: the transaction's shard, else each in turn. */
  | { readonly kind: "any" }
  /** Always shard 0: catalogs, server functions. */
  | { readonly kind: "first" }
  | { readonly kind: "every" }
  | { readonly kind: "fixed"; readonly shard: number }
  /**
   * By sharding keys. Each set holds the values of which a row's key is one; all sets are true of the statement at once.
   * With one set the statement goes to all of its shards; several have to meet in one shard, or the statement is refused.
   */
  | { readonly kind: "keys"; readonly sets: readonly KeySet[] };

export interface KeySet {
  readonly shardOf: ShardOfKey;
  readonly dataType: "bigint" | "uuid" | "varchar";
  readonly values: readonly KeyValue[];
}

export type KeyValue =
  /** In PostgreSQL's binary send format; null is NULL, which no row's key equals. */
  | { readonly kind: "constant"; readonly bytes: Buffer | null }
  /** `$number`, from 1. */
  | { readonly kind: "parameter"; readonly number: number }
  /** `= ANY ($number)`: each element of an array. */
  | { readonly kind: "elements"; readonly number: number };

/** How the answers of several shards become the client's. */
export type Gather =
  /** One answer is everybody's: omnisharded rows, DDL, settings. The first shard's is passed on, once all have succeeded. */
  | { readonly kind: "same" }
  /** Rows one after another; tags' row counts are added up. */
  | { readonly kind: "union"; readonly limit?: Count; readonly offset?: Count }
  /** Rows merged in order; each shard answers in that order. */
  | { readonly kind: "merge"; readonly by: readonly SortKey[]; readonly limit?: Count; readonly offset?: Count }
  /** One row, made from one row of each shard, column by column. */
  | { readonly kind: "aggregate"; readonly columns: readonly Aggregate[] }
  /** The answer of several shards would be wrong: refused where it is not one shard. */
  | { readonly kind: "one-shard-only"; readonly reason: string; readonly remedy: string };

export type Aggregate = "count" | "sum" | "min" | "max";

/** LIMIT or OFFSET. */
export type Count = { readonly kind: "constant"; readonly value: number } | { readonly kind: "parameter"; readonly number: number };

/** A column of the answer, from 0. How values compare is known by the column's type when the rows' description comes. */
export interface SortKey {
  readonly column: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

/** INSERT … VALUES with several rows: each to its shard, as an INSERT of the rows that are its own. */
export interface SplitInsertPlan {
  readonly kind: "split-insert";
  /** One for each row of VALUES. */
  readonly rows: readonly { readonly key: KeySet }[];
  /** The statement with only these rows (from 0); parameters keep their numbers. */
  textOf(rows: readonly number[]): string;
  readonly returning: boolean;
}

/**
 * INSERT into an omnisharded table whose values a shard computes for itself (sequences, `now()`): run on the first shard,
 * with all columns returned, and what it returned is inserted on the others.
 */
export interface InsertEverywherePlan {
  readonly kind: "insert-everywhere";
  /** For the first shard: RETURNING the client's columns, `clientColumns` of them, and then all columns of the table. */
  readonly firstText: string;
  /** 0 where the client asked for none. */
  readonly clientColumns: number;
  /** For the other shards: takes one text parameter for each column of the table and inserts one row. */
  readonly otherText: string;
}

/** COPY … FROM STDIN: each row to its shard. */
export interface CopyInPlan {
  readonly kind: "copy-in";
  readonly where: { readonly kind: "every" } | { readonly kind: "fixed"; readonly shard: number } | { readonly kind: "key"; readonly column: number; readonly columns: number; readonly shardOf: ShardOfKey; readonly dataType: KeySet["dataType"] };
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
  | { readonly action: "set"; readonly name: string; readonly isLocal: boolean; readonly value: string | undefined }
  /** `pgdog.shard`, `pgdog.sharding_key` and the like: for the gateway alone. */
  | { readonly action: "route"; readonly name: "shard" | "sharding_key"; readonly isLocal: boolean; readonly value: string | undefined }
  | { readonly action: "reset-all" | "discard-all" | "unlisten-all" | "deallocate-all" }
  | { readonly action: "listen" | "unlisten" | "notify"; readonly channel: string }
  | { readonly action: "prepare"; readonly name: string; readonly statement: string; readonly types: readonly string[] }
  | { readonly action: "execute"; readonly name: string; readonly values: readonly string[] }
  | { readonly action: "deallocate"; readonly name: string }
);

export interface TransactionPlan {
  readonly kind: "transaction";
  readonly action: "begin" | "commit" | "rollback" | "savepoint" | "release" | "rollback-to";
  /** AND CHAIN. */
  readonly chain: boolean;
}

/** It cannot be answered rightly: SQLSTATE 0A000, with what to change. */
export interface RefusedPlan {
  readonly kind: "refused";
  readonly reason: string;
  readonly remedy: string;
}
