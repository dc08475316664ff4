import type { Lsn } from "./lsn.js";

/*
 * The messages of the pgoutput plugin, protocol versions 1 to 4 (PostgreSQL manual, "Logical Replication Message
 * Formats"; replication/logical/proto.c). OIDs and transaction ids are unsigned. Times are microseconds since
 * 2000-01-01 UTC (TimestampTz).
 *
 * Rows are not decoded: `newTuple` and `oldTuple` are offsets, in the buffer the message was decoded from, of a
 * TupleData, that is of its Int16 column count.
 */

/** B: a transaction follows, whole, in commit order. */
export interface PgoutputBegin {
  readonly kind: "begin";
  /** LSN of the commit record. */
  readonly finalLsn: Lsn;
  readonly commitTime: bigint;
  readonly xid: number;
}

/** C: the end of the transaction that the last Begin opened. */
export interface PgoutputCommit {
  readonly kind: "commit";
  /** LSN of the commit record; equals the Begin message's `finalLsn`. */
  readonly commitLsn: Lsn;
  /** The first byte after the commit record. */
  readonly endLsn: Lsn;
  readonly commitTime: bigint;
}

/** O: the transaction came from another server. */
export interface PgoutputOrigin {
  readonly kind: "origin";
  /** LSN of the commit on the origin server. */
  readonly commitLsn: Lsn;
  readonly name: string;
}

/** What can stand inside a streamed transaction carries its (sub)transaction's id there, and undefined elsewhere. */
interface Streamable {
  readonly xid: number | undefined;
}

/** M: written by `pg_logical_emit_message`. */
export interface PgoutputLogicalMessage extends Streamable {
  readonly kind: "message";
  readonly transactional: boolean;
  readonly lsn: Lsn;
  readonly prefix: string;
  /** A view of the decoded buffer, not a copy. */
  readonly content: Buffer;
}

export interface PgoutputRelationColumn {
  readonly name: string;
  readonly typeOid: number;
  /** `atttypmod`; -1 for none. */
  readonly typeModifier: number;
  /** Part of the replica identity; every column is under REPLICA IDENTITY FULL. */
  readonly partOfKey: boolean;
}

/** R: describes a table before its first change, and again after its definition changed. */
export interface PgoutputRelation extends Streamable {
  readonly kind: "relation";
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `pg_class.relreplident`: default, nothing, full, index. */
  readonly replicaIdentity: "d" | "n" | "f" | "i";
  /** The published columns, in the order in which a TupleData has them. */
  readonly columns: readonly PgoutputRelationColumn[];
}

/** Y: names a type that is not built in, before a Relation message uses it. */
export interface PgoutputType extends Streamable {
  readonly kind: "type";
  readonly oid: number;
  /** Schema and name of the base type where `oid` is a domain. */
  readonly schema: string;
  readonly name: string;
}

/** I */
export interface PgoutputInsert extends Streamable {
  readonly kind: "insert";
  readonly relation: number;
  readonly newTuple: number;
}

/** U */
export interface PgoutputUpdate extends Streamable {
  readonly kind: "update";
  readonly relation: number;
  /** none: the key is unchanged; key: `oldTuple` holds the old key, other columns NULL; full: the whole old row. */
  readonly oldKind: "none" | "key" | "full";
  /** -1 if `oldKind` is none. */
  readonly oldTuple: number;
  readonly newTuple: number;
}

/** D */
export interface PgoutputDelete extends Streamable {
  readonly kind: "delete";
  readonly relation: number;
  readonly oldKind: "key" | "full";
  readonly oldTuple: number;
}

/** T */
export interface PgoutputTruncate extends Streamable {
  readonly kind: "truncate";
  readonly relations: readonly number[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}

/** S: a piece of a transaction still in progress follows, up to the next stream-stop. */
export interface PgoutputStreamStart {
  readonly kind: "stream-start";
  readonly xid: number;
  readonly firstSegment: boolean;
}

/** E */
export interface PgoutputStreamStop {
  readonly kind: "stream-stop";
}

/** c */
export interface PgoutputStreamCommit {
  readonly kind: "stream-commit";
  readonly xid: number;
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly commitTime: bigint;
}

/** A: a streamed transaction, or one of its subtransactions, was rolled back. */
export interface PgoutputStreamAbort {
  readonly kind: "stream-abort";
  readonly xid: number;
  /** Equals `xid` where the whole transaction was rolled back. */
  readonly subxid: number;
  /** Only with `streaming 'parallel'`. */
  readonly abortLsn: Lsn | undefined;
  /** Only with `streaming 'parallel'`. */
  readonly abortTime: bigint | undefined;
}

interface PreparedTransaction {
  readonly xid: number;
  readonly gid: string;
}

/** b: as Begin, for a transaction that ends in Prepare. */
export interface PgoutputBeginPrepare extends PreparedTransaction {
  readonly kind: "begin-prepare";
  readonly prepareLsn: Lsn;
  readonly endLsn: Lsn;
  readonly prepareTime: bigint;
}

/** P, and p for a streamed transaction. */
export interface PgoutputPrepare extends PreparedTransaction {
  readonly kind: "prepare" | "stream-prepare";
  readonly prepareLsn: Lsn;
  readonly endLsn: Lsn;
  readonly prepareTime: bigint;
}

/** K */
export interface PgoutputCommitPrepared extends PreparedTransaction {
  readonly kind: "commit-prepared";
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly commitTime: bigint;
}

/** r */
export interface PgoutputRollbackPrepared extends PreparedTransaction {
  readonly kind: "rollback-prepared";
  /** End of the prepared transaction. */
  readonly prepareEndLsn: Lsn;
  /** End of the rollback. */
  readonly rollbackEndLsn: Lsn;
  readonly prepareTime: bigint;
  readonly rollbackTime: bigint;
}

/** The messages that hold rows. */
export type PgoutputRowMessage = PgoutputInsert | PgoutputUpdate | PgoutputDelete;

export type PgoutputMessage =
  | PgoutputBegin
  | PgoutputCommit
  | PgoutputOrigin
  | PgoutputLogicalMessage
  | PgoutputRelation
  | PgoutputType
  | PgoutputRowMessage
  | PgoutputTruncate
  | PgoutputStreamStart
  | PgoutputStreamStop
  | PgoutputStreamCommit
  | PgoutputStreamAbort
  | PgoutputBeginPrepare
  | PgoutputPrepare
  | PgoutputCommitPrepared
  | PgoutputRollbackPrepared;
