import type { FieldDescription } from "../../wire/backend-messages.js";
import type { SortKey } from "../planning/statement-plan.js";
import { columnPosition, withoutLastColumns } from "./data-row.js";
import { notYet } from "./failure.js";
import type { GatheredRows, ShardRows } from "./shard-rows.js";
import { type OrderTraits, valueOrder, type ValueOrder } from "../../postgres/value-order.js";

/** What values are written with, as far as their order hangs on it. */
export type TextTraits = Omit<OrderTraits, "bytewiseText">;

/** Compares rows by what was read of them once. */
export interface RowOrder {
  keysOf(row: Buffer): RowKeys;
  compare(a: RowKeys, b: RowKeys): number;
}

/** A key for each column that is sorted by; undefined is NULL. */
type RowKeys = readonly unknown[];

interface OrderedColumn {
  readonly column: number;
  readonly order: ValueOrder;
  /** 1, or -1 where it descends. */
  readonly sign: number;
  /** What NULL compares as with anything else. */
  readonly ofNull: number;
}

/**
 * How the rows that shards answer with are ordered.
 * @throws WireError 0A000 where the order of a column's type is not known here
 */
export function rowOrder(by: readonly SortKey[], fields: readonly FieldDescription[], traits: TextTraits): RowOrder {
  const columns = by.map((key): OrderedColumn => {
    const column = key.column < 0 ? fields.length + key.column : key.column;
    const field = fields[column];
    const order = field === undefined ? undefined : valueOrder(field.typeOid, field.format, { ...traits, bytewiseText: key.bytewise });
    if (order === undefined) {
      throw notYet(`ORDER BY over several shards by the type or collation of column ${key.column < 0 ? "that is sorted by" : JSON.stringify(field?.name ?? String(column + 1))}`, 'Order text by its bytes (ORDER BY … COLLATE "C"), cast the column to text with that collation, or ask for one shard by its sharding key.');
    }
    return { column, order, sign: key.descending ? -1 : 1, ofNull: key.nullsFirst ? -1 : 1 };
  });
  return {
    keysOf: (row) => columns.map(({ column, order }) => {
      const position = columnPosition(row, column);
      const length = row.readInt32BE(position);
      return length < 0 ? undefined : order.keyOf(row.subarray(position + 4, position + 4 + length));
    }),
    compare: (a, b) => {
      for (let index = 0; index < columns.length; index++) {
        const { order, sign, ofNull } = columns[index]!;
        const [left, right] = [a[index], b[index]];
        const compared = left === undefined ? (right === undefined ? 0 : ofNull) : right === undefined ? -ofNull : sign * order.compare(left, right);
        if (compared !== 0) return compared;
      }
      return 0;
    },
  };
}

interface Head {
  readonly answer: ShardRows;
  /** Breaks ties: the order of the answers. */
  readonly index: number;
  row: Buffer;
  keys: RowKeys;
}

/**
 * Rows of answers that are each in order already, in one order. One row of each shard is in hand at a time.
 * @param hidden columns at the end of the shards' rows that the client did not ask for
 */
export async function* gatherMerge(answers: readonly ShardRows[], order: RowOrder, hidden: number): GatheredRows {
  const first = await Promise.all(answers.map((answer) => answer.next()));
  // Sorted, the next row's last.
  const heads: Head[] = [];
  first.forEach((row, index) => {
    if (row !== undefined) insert(heads, { answer: answers[index]!, index, row: row.bytes, keys: order.keysOf(row.bytes) }, order);
  });
  for (let head = heads.pop(); head !== undefined; head = heads.pop()) {
    yield withoutLastColumns(head.row, hidden);
    const next = await head.answer.next();
    if (next === undefined) continue;
    head.row = next.bytes;
    head.keys = order.keysOf(next.bytes);
    insert(heads, head, order);
  }
}

function insert(heads: Head[], head: Head, order: RowOrder): void {
  let low = 0;
  let high = heads.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = heads[middle]!;
    if ((order.compare(other.keys, head.keys) || other.index - head.index) > 0) low = middle + 1;
    else high = middle;
  }
  heads.splice(low, 0, head);
}
