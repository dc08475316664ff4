import type { ChangeBatch } from "../change-batch.js";
import type { CopyDataFrames } from "../postgres/copy-data-reader.js";
import type { Lsn } from "../postgres/lsn.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { changeBatchOf, type StreamState } from "../sources/change-batch-builder.js";
import { encodePgoutputMessage, type Tuple, type TupleColumn, type WholeMessage } from "./encode-pgoutput.js";
import { bytesOf, isOutside, keyOf, type TestRow } from "./test-rows.js";
import type { TestColumn, TestTable } from "./test-table.js";

/** A value as the stream has it. */
export function sent(column: TestColumn, value: string | null, format: ValueFormat): TupleColumn {
  return value === null ? { kind: "null" } : { kind: format, value: bytesOf(column, value, format) };
}

function wholeTuple(table: TestTable, row: TestRow, format: ValueFormat): Tuple {
  return row.map((value, place) => sent(table.columns[place]!, value, format));
}

function keyTuple(table: TestTable, row: TestRow, format: ValueFormat): Tuple {
  return row.map((value, place) => (table.columns[place]!.key === true ? sent(table.columns[place]!, value, format) : { kind: "null" }));
}

export function insertMessage(table: TestTable, row: TestRow, format: ValueFormat = "binary"): WholeMessage {
  return { kind: "insert", xid: undefined, relation: table.oid, newTuple: wholeTuple(table, row, format) };
}

/** The row after the update, with what the server leaves out where it did not change. */
export function updateMessage(table: TestTable, before: TestRow, after: TestRow, format: ValueFormat = "binary"): WholeMessage {
  const newTuple: Tuple = after.map((value, place) => (isOutside(table.columns[place]!, value) && before[place] === value ? { kind: "unchanged" } : sent(table.columns[place]!, value, format)));
  const base = { kind: "update", xid: undefined, relation: table.oid, newTuple } as const;
  if (table.full === true) return { ...base, oldKind: "full", oldTuple: wholeTuple(table, before, format) };
  // heap_update (access/heap/heapam.c) logs the old key where it changed and where a part of it lies outside the row.
  const logged = keyOf(table, before) !== keyOf(table, after) || before.some((value, place) => table.columns[place]!.key === true && isOutside(table.columns[place]!, value));
  return logged ? { ...base, oldKind: "key", oldTuple: keyTuple(table, before, format) } : { ...base, oldKind: "none", oldTuple: null };
}

export function deleteMessage(table: TestTable, row: TestRow, format: ValueFormat = "binary"): WholeMessage {
  const base = { kind: "delete", xid: undefined, relation: table.oid } as const;
  return table.full === true ? { ...base, oldKind: "full", oldTuple: wholeTuple(table, row, format) } : { ...base, oldKind: "key", oldTuple: keyTuple(table, row, format) };
}

/** A CopyData payload of the replication stream: 'w', three 8-byte numbers, the message. */
export function xlogData(message: WholeMessage): Buffer {
  return Buffer.concat([Buffer.from("w"), Buffer.alloc(24), encodePgoutputMessage(message)]);
}

export function keepalive(lsn: Lsn): Buffer {
  const payload = Buffer.alloc(18);
  payload.write("k");
  payload.writeBigUInt64BE(lsn, 1);
  return payload;
}

/** Payloads as a reader hands them over: each behind the five bytes of its message's head, in one buffer. */
export function framesOf(payloads: readonly Buffer[]): CopyDataFrames {
  const starts = new Uint32Array(payloads.length);
  const ends = new Uint32Array(payloads.length);
  let end = 0;
  payloads.forEach((payload, index) => {
    starts[index] = end + 5;
    end += 5 + payload.length;
    ends[index] = end;
  });
  return { buffer: Buffer.concat(payloads.flatMap((payload) => [Buffer.from("d\0\0\0\0"), payload])), count: payloads.length, starts, ends };
}

export function freshStream(): StreamState {
  return { relations: new Map(), transaction: undefined, position: 0n };
}

/** The payloads as batches, cut behind those whose place is in `cuts`. */
export function changeBatches(payloads: readonly Buffer[], cuts: ReadonlySet<number> = new Set(), state: StreamState = freshStream()): ChangeBatch[] {
  const batches: ChangeBatch[] = [];
  let group: Buffer[] = [];
  payloads.forEach((payload, index) => {
    group.push(payload);
    if (!cuts.has(index) && index !== payloads.length - 1) return;
    batches.push(changeBatchOf(framesOf(group), state, batches.length));
    group = [];
  });
  return batches;
}
