import { PgoutputReader } from "./pgoutput-reader.js";
import type {
  PgoutputBeginPrepare,
  PgoutputDelete,
  PgoutputMessage,
  PgoutputPrepare,
  PgoutputRelation,
  PgoutputRelationColumn,
  PgoutputTruncate,
  PgoutputUpdate,
} from "./pgoutput-types.js";

export { skipTuple } from "./pgoutput-tuple.js";
export type * from "./pgoutput-types.js";

/** What a message's meaning depends on besides its bytes. */
export interface PgoutputContext {
  /** The message stands between stream-start and stream-stop: those that can carry a transaction id do. */
  readonly streaming?: boolean;
  /** `streaming 'parallel'` was asked for (protocol 4): a stream-abort carries LSN and time. */
  readonly parallel?: boolean;
}

const NOT_STREAMING: PgoutputContext = {};

/** LOGICALREP_IS_REPLICA_IDENTITY, TRUNCATE_*, MESSAGE_TRANSACTIONAL (replication/logical/proto.c). */
const PART_OF_KEY = 1;
const TRUNCATE_CASCADE = 1;
const TRUNCATE_RESTART_IDENTITY = 2;
const MESSAGE_TRANSACTIONAL = 1;

const NEW_TUPLE = 0x4e; // N
const OLD_KEY = 0x4b; // K
const OLD_ROW = 0x4f; // O

/**
 * Decodes the pgoutput message at `offset` up to `end` (exclusive) of `buffer`, of any protocol version from 1 to 4.
 * Rows are checked and stepped over, not decoded: the message holds their offsets in `buffer`.
 * @throws ReshardError PGOUTPUT_MALFORMED where the bytes are not exactly one message
 */
export function decodePgoutputMessage(buffer: Buffer, offset: number, end: number, context: PgoutputContext = NOT_STREAMING): PgoutputMessage {
  const reader = new PgoutputReader(buffer, offset, end);
  const message = read(reader, context);
  reader.finish();
  return message;
}

function read(reader: PgoutputReader, context: PgoutputContext): PgoutputMessage {
  const type = reader.uint8();
  switch (type) {
    case 0x49: { // I
      const xid = streamedXid(reader, context);
      const relation = reader.uint32();
      expectNewTuple(reader, reader.uint8());
      return { kind: "insert", xid, relation, newTuple: reader.tuple() };
    }
    case 0x55: // U
      return readUpdate(reader, context);
    case 0x44: // D
      return readDelete(reader, context);
    case 0x42: // B
      return { kind: "begin", finalLsn: reader.lsn(), commitTime: reader.int64(), xid: reader.uint32() };
    case 0x43: // C
      reader.noFlags();
      return { kind: "commit", commitLsn: reader.lsn(), endLsn: reader.lsn(), commitTime: reader.int64() };
    case 0x52: // R
      return readRelation(reader, context);
    case 0x59: // Y
      return { kind: "type", xid: streamedXid(reader, context), oid: reader.uint32(), schema: readNamespace(reader), name: reader.string() };
    case 0x54: // T
      return readTruncate(reader, context);
    case 0x4f: // O
      return { kind: "origin", commitLsn: reader.lsn(), name: reader.string() };
    case 0x4d: // M
      return {
        kind: "message",
        xid: streamedXid(reader, context),
        transactional: (reader.uint8() & MESSAGE_TRANSACTIONAL) !== 0,
        lsn: reader.lsn(),
        prefix: reader.string(),
        content: reader.bytes(reader.int32()),
      };
    case 0x53: // S
      return { kind: "stream-start", xid: reader.uint32(), firstSegment: reader.uint8() === 1 };
    case 0x45: // E
      return { kind: "stream-stop" };
    case 0x63: { // c
      const xid = reader.uint32();
      reader.noFlags();
      return { kind: "stream-commit", xid, commitLsn: reader.lsn(), endLsn: reader.lsn(), commitTime: reader.int64() };
    }
    case 0x41: // A
      return {
        kind: "stream-abort",
        xid: reader.uint32(),
        subxid: reader.uint32(),
        abortLsn: context.parallel === true ? reader.lsn() : undefined,
        abortTime: context.parallel === true ? reader.int64() : undefined,
      };
    case 0x62: // b
      return readPrepare(reader, "begin-prepare");
    case 0x50: // P
      reader.noFlags();
      return readPrepare(reader, "prepare");
    case 0x70: // p
      reader.noFlags();
      return readPrepare(reader, "stream-prepare");
    case 0x4b: // K
      reader.noFlags();
      return { kind: "commit-prepared", commitLsn: reader.lsn(), endLsn: reader.lsn(), commitTime: reader.int64(), xid: reader.uint32(), gid: reader.string() };
    case 0x72: // r
      reader.noFlags();
      return {
        kind: "rollback-prepared",
        prepareEndLsn: reader.lsn(),
        rollbackEndLsn: reader.lsn(),
        prepareTime: reader.int64(),
        rollbackTime: reader.int64(),
        xid: reader.uint32(),
        gid: reader.string(),
      };
    default:
      throw reader.malformed(`A message is of the unknown type ${type}`);
  }
}

function streamedXid(reader: PgoutputReader, context: PgoutputContext): number | undefined {
  return context.streaming === true ? reader.uint32() : undefined;
}

function expectNewTuple(reader: PgoutputReader, tag: number): void {
  if (tag !== NEW_TUPLE) throw reader.malformed(`A new row was expected, but ${tag} marks something else`);
}

function readUpdate(reader: PgoutputReader, context: PgoutputContext): PgoutputUpdate {
  const xid = streamedXid(reader, context);
  const relation = reader.uint32();
  const tag = reader.uint8();
  if (tag !== OLD_KEY && tag !== OLD_ROW) {
    expectNewTuple(reader, tag);
    return { kind: "update", xid, relation, oldKind: "none", oldTuple: -1, newTuple: reader.tuple() };
  }
  const oldTuple = reader.tuple();
  expectNewTuple(reader, reader.uint8());
  return { kind: "update", xid, relation, oldKind: tag === OLD_KEY ? "key" : "full", oldTuple, newTuple: reader.tuple() };
}

function readDelete(reader: PgoutputReader, context: PgoutputContext): PgoutputDelete {
  const xid = streamedXid(reader, context);
  const relation = reader.uint32();
  const tag = reader.uint8();
  if (tag !== OLD_KEY && tag !== OLD_ROW) throw reader.malformed(`An old key or old row was expected, but ${tag} marks something else`);
  return { kind: "delete", xid, relation, oldKind: tag === OLD_KEY ? "key" : "full", oldTuple: reader.tuple() };
}

function readTruncate(reader: PgoutputReader, context: PgoutputContext): PgoutputTruncate {
  const xid = streamedXid(reader, context);
  const count = reader.uint32();
  const flags = reader.uint8();
  const relations: number[] = [];
  for (let index = 0; index < count; index += 1) relations.push(reader.uint32());
  return { kind: "truncate", xid, relations, cascade: (flags & TRUNCATE_CASCADE) !== 0, restartIdentity: (flags & TRUNCATE_RESTART_IDENTITY) !== 0 };
}

function readRelation(reader: PgoutputReader, context: PgoutputContext): PgoutputRelation {
  const xid = streamedXid(reader, context);
  const oid = reader.uint32();
  const schema = readNamespace(reader);
  const name = reader.string();
  const replicaIdentity = readReplicaIdentity(reader);
  const count = reader.uint16();
  const columns: PgoutputRelationColumn[] = [];
  for (let index = 0; index < count; index += 1) {
    columns.push({
      partOfKey: (reader.uint8() & PART_OF_KEY) !== 0,
      name: reader.string(),
      typeOid: reader.uint32(),
      typeModifier: reader.int32(),
    });
  }
  return { kind: "relation", xid, oid, schema, name, replicaIdentity, columns };
}

function readReplicaIdentity(reader: PgoutputReader): PgoutputRelation["replicaIdentity"] {
  const setting = String.fromCharCode(reader.uint8());
  if (setting === "d" || setting === "n" || setting === "f" || setting === "i") return setting;
  throw reader.malformed(`A table has the unknown replica identity ${setting}`);
}

/** `logicalrep_write_namespace` saves the bytes of pg_catalog. */
function readNamespace(reader: PgoutputReader): string {
  const schema = reader.string();
  return schema === "" ? "pg_catalog" : schema;
}

function readPrepare(reader: PgoutputReader, kind: PgoutputBeginPrepare["kind"] | PgoutputPrepare["kind"]): PgoutputBeginPrepare | PgoutputPrepare {
  return { kind, prepareLsn: reader.lsn(), endLsn: reader.lsn(), prepareTime: reader.int64(), xid: reader.uint32(), gid: reader.string() };
}
