import type { PgoutputContext, PgoutputMessage } from "../postgres/pgoutput-message.js";

/** One column of a TupleData. */
export type TupleColumn =
  | { readonly kind: "null" }
  | { readonly kind: "unchanged" }
  | { readonly kind: "text"; readonly value: Buffer }
  | { readonly kind: "binary"; readonly value: Buffer };
export type Tuple = readonly TupleColumn[];

type WithRow<M> = M extends { readonly oldTuple: number; readonly newTuple: number }
  ? Omit<M, "oldTuple" | "newTuple"> & { readonly oldTuple: Tuple | null; readonly newTuple: Tuple }
  : M extends { readonly newTuple: number }
    ? Omit<M, "newTuple"> & { readonly newTuple: Tuple }
    : M extends { readonly oldTuple: number }
      ? Omit<M, "oldTuple"> & { readonly oldTuple: Tuple }
      : M;

/** A decoded message with its rows in place of their offsets: it can be compared, and encoded again. */
export type WholeMessage = WithRow<PgoutputMessage>;

/** What the server would send: written from replication/logical/proto.c, independently of the decoder. */
export function encodePgoutputMessage(message: WholeMessage, context: PgoutputContext = {}): Buffer {
  const xid = "xid" in message && message.xid !== undefined && context.streaming === true ? u32(message.xid) : Buffer.alloc(0);
  switch (message.kind) {
    case "begin":
      return bytes("B", u64(message.finalLsn), i64(message.commitTime), u32(message.xid));
    case "commit":
      return bytes("C", u8(0), u64(message.commitLsn), u64(message.endLsn), i64(message.commitTime));
    case "origin":
      return bytes("O", u64(message.commitLsn), text(message.name));
    case "message":
      return bytes("M", xid, u8(message.transactional ? 1 : 0), u64(message.lsn), text(message.prefix), u32(message.content.length), message.content);
    case "relation":
      return bytes(
        "R", xid, u32(message.oid), namespace(message.schema), text(message.name), Buffer.from(message.replicaIdentity), u16(message.columns.length),
        ...message.columns.map((column) => Buffer.concat([u8(column.partOfKey ? 1 : 0), text(column.name), u32(column.typeOid), i32(column.typeModifier)])),
      );
    case "type":
      return bytes("Y", xid, u32(message.oid), namespace(message.schema), text(message.name));
    case "insert":
      return bytes("I", xid, u32(message.relation), Buffer.from("N"), tuple(message.newTuple));
    case "update":
      return bytes("U", xid, u32(message.relation), ...(message.oldTuple === null ? [] : [oldTag(message.oldKind), tuple(message.oldTuple)]), Buffer.from("N"), tuple(message.newTuple));
    case "delete":
      return bytes("D", xid, u32(message.relation), oldTag(message.oldKind), tuple(message.oldTuple));
    case "truncate":
      return bytes("T", xid, u32(message.relations.length), u8((message.cascade ? 1 : 0) | (message.restartIdentity ? 2 : 0)), ...message.relations.map(u32));
    case "stream-start":
      return bytes("S", u32(message.xid), u8(message.firstSegment ? 1 : 0));
    case "stream-stop":
      return bytes("E");
    case "stream-commit":
      return bytes("c", u32(message.xid), u8(0), u64(message.commitLsn), u64(message.endLsn), i64(message.commitTime));
    case "stream-abort":
      return bytes("A", u32(message.xid), u32(message.subxid), ...(message.abortLsn === undefined || message.abortTime === undefined ? [] : [u64(message.abortLsn), i64(message.abortTime)]));
    case "begin-prepare":
      return bytes("b", u64(message.prepareLsn), u64(message.endLsn), i64(message.prepareTime), u32(message.xid), text(message.gid));
    case "prepare":
    case "stream-prepare":
      return bytes(message.kind === "prepare" ? "P" : "p", u8(0), u64(message.prepareLsn), u64(message.endLsn), i64(message.prepareTime), u32(message.xid), text(message.gid));
    case "commit-prepared":
      return bytes("K", u8(0), u64(message.commitLsn), u64(message.endLsn), i64(message.commitTime), u32(message.xid), text(message.gid));
    case "rollback-prepared":
      return bytes("r", u8(0), u64(message.prepareEndLsn), u64(message.rollbackEndLsn), i64(message.prepareTime), i64(message.rollbackTime), u32(message.xid), text(message.gid));
  }
}

function tuple(columns: Tuple): Buffer {
  return Buffer.concat([u16(columns.length), ...columns.map(encodeTupleColumn)]);
}

/** A value of a TupleData. */
export function encodeTupleColumn(of: TupleColumn): Buffer {
  switch (of.kind) {
    case "null":
      return Buffer.from("n");
    case "unchanged":
      return Buffer.from("u");
    case "text":
      return bytes("t", u32(of.value.length), of.value);
    case "binary":
      return bytes("b", u32(of.value.length), of.value);
  }
}

function oldTag(kind: "none" | "key" | "full"): Buffer {
  return Buffer.from(kind === "full" ? "O" : "K");
}

function bytes(type: string, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(type), ...parts]);
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, "utf8");
}

function namespace(schema: string): Buffer {
  return text(schema === "pg_catalog" ? "" : schema);
}

function u8(value: number): Buffer {
  return Buffer.from([value]);
}

function u16(value: number): Buffer {
  return written(2, (buffer) => buffer.writeUInt16BE(value));
}

function u32(value: number): Buffer {
  return written(4, (buffer) => buffer.writeUInt32BE(value));
}

function i32(value: number): Buffer {
  return written(4, (buffer) => buffer.writeInt32BE(value));
}

function u64(value: bigint): Buffer {
  return written(8, (buffer) => buffer.writeBigUInt64BE(value));
}

function i64(value: bigint): Buffer {
  return written(8, (buffer) => buffer.writeBigInt64BE(value));
}

function written(size: number, write: (buffer: Buffer) => unknown): Buffer {
  const buffer = Buffer.alloc(size);
  write(buffer);
  return buffer;
}
