import type { ChangeBatch } from "../../src/change-batch.js";
import type { CopyDataFrames } from "../../src/postgres/copy-data-reader.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import { changeBatchOf, type StreamState } from "../../src/sources/change-batch-builder.js";
import { encodePgoutputMessage, type Tuple, type TupleColumn, type WholeMessage } from "./pgoutput.js";

/** A table of a made-up source. */
export interface TableSpec {
  readonly oid: number;
  readonly name: string;
  /** REPLICA IDENTITY FULL: old rows come whole. Without it some column is a key. */
  readonly full?: boolean;
  readonly columns: readonly ColumnSpec[];
}

export interface ColumnSpec {
  readonly name: string;
  readonly key?: boolean;
  /** Values that begin with T are stored outside the row: unchanged ones are not sent. */
  readonly large?: boolean;
  /** It has few different values, so that whole rows are equal. */
  readonly few?: boolean;
}

export type Row = readonly (string | null)[];

export function relationOf(table: TableSpec): PgoutputRelation {
  return {
    kind: "relation", xid: undefined, oid: table.oid, schema: "public", name: table.name, replicaIdentity: table.full === true ? "f" : "d",
    columns: table.columns.map(({ name, key }) => ({ name, typeOid: 25, typeModifier: -1, partOfKey: key === true || table.full === true })),
  };
}

/** Names the row, for maps. */
export function keyOf(table: TableSpec, row: Row): string {
  return JSON.stringify(row.filter((_, column) => table.columns[column]!.key === true));
}

/** Rows by name, as far as changes need them. */
export interface RowTable {
  get(key: string): Row | undefined;
  set(key: string, row: Row): unknown;
  delete(key: string): unknown;
  clear(): void;
}

export function isKeyless(table: TableSpec): boolean {
  return !table.columns.some(({ key }) => key === true);
}

/** Puts a row in, over one with its key. Equal rows of a table without key are told apart by a number, from 0 without gaps. */
export function addRow(table: TableSpec, rows: RowTable, row: Row): void {
  rows.set(isKeyless(table) ? copyName(row, copiesOf(rows, row)) : keyOf(table, row), row);
}

/** Takes out the row with its key, or one that equals it; false where none was there. */
export function removeRow(table: TableSpec, rows: RowTable, row: Row): boolean {
  const name = isKeyless(table) ? copyName(row, copiesOf(rows, row) - 1) : keyOf(table, row);
  const there = rows.get(name) !== undefined;
  rows.delete(name);
  return there;
}

function copiesOf(rows: RowTable, row: Row): number {
  let copies = 0;
  while (rows.get(copyName(row, copies)) !== undefined) copies++;
  return copies;
}

function copyName(row: Row, copy: number): string {
  return `${JSON.stringify(row)} #${copy}`;
}

export function binary(value: string | null): TupleColumn {
  return value === null ? { kind: "null" } : { kind: "binary", value: Buffer.from(value) };
}

export function insertMessage(table: TableSpec, row: Row): WholeMessage {
  return { kind: "insert", xid: undefined, relation: table.oid, newTuple: row.map(binary) };
}

/** The row after the update, with what the server leaves out where it did not change. */
export function updateMessage(table: TableSpec, before: Row, after: Row): WholeMessage {
  const newTuple: Tuple = after.map((value, column) => (isOutside(table, column, value) && before[column] === value ? { kind: "unchanged" } : binary(value)));
  const base = { kind: "update", xid: undefined, relation: table.oid, newTuple } as const;
  if (table.full === true) return { ...base, oldKind: "full", oldTuple: before.map(binary) };
  // heap_update (access/heap/heapam.c) logs the old key where it changed and where a part of it lies outside the row.
  const logged = keyOf(table, before) !== keyOf(table, after) || before.some((value, column) => table.columns[column]!.key === true && isOutside(table, column, value));
  return logged ? { ...base, oldKind: "key", oldTuple: keyTuple(table, before) } : { ...base, oldKind: "none", oldTuple: null };
}

export function deleteMessage(table: TableSpec, row: Row): WholeMessage {
  const base = { kind: "delete", xid: undefined, relation: table.oid } as const;
  return table.full === true ? { ...base, oldKind: "full", oldTuple: row.map(binary) } : { ...base, oldKind: "key", oldTuple: keyTuple(table, row) };
}

function keyTuple(table: TableSpec, row: Row): Tuple {
  return row.map((value, column) => (table.columns[column]!.key === true ? binary(value) : { kind: "null" }));
}

function isOutside(table: TableSpec, column: number, value: string | null): boolean {
  return table.columns[column]!.large === true && value?.startsWith("T") === true;
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
