import fc from "fast-check";
import type { ValueFormat } from "../postgres/value-format.js";
import { arbitraryText } from "./arbitrary-values.js";
import { deleteMessage, insertMessage, keepalive, updateMessage, xlogData } from "./change-batches.js";
import type { WholeMessage } from "./encode-pgoutput.js";
import type { History } from "./history.js";
import { addRow, keyOf, removeRow, type TestRow } from "./test-rows.js";
import { isKeyless, relationOf, type TestColumn, type TestTable } from "./test-table.js";

/** Something a source does; numbers are taken modulo whatever there is. */
type Command =
  | { readonly does: "insert"; readonly table: number; readonly values: readonly number[] }
  | { readonly does: "update"; readonly table: number; readonly row: number; readonly columns: readonly boolean[]; readonly values: readonly number[] }
  | { readonly does: "delete"; readonly table: number; readonly row: number }
  | { readonly does: "truncate"; readonly tables: readonly number[] }
  | { readonly does: "describe"; readonly table: number }
  | { readonly does: "commit" }
  | { readonly does: "keepalive"; readonly late: boolean };

/** Draws for each column its values, then what is done with them; numbers are as high as any table needs. */
function arbitraryCommands(tables: readonly TestTable[]): fc.Arbitrary<Command[]> {
  const widest = Math.max(...tables.map(({ columns }) => columns.length));
  const values = fc.array(fc.nat(20), { minLength: widest, maxLength: widest });
  const table = fc.nat(tables.length - 1);
  const row = fc.nat(9);
  const command: fc.Arbitrary<Command> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ does: fc.constant("insert" as const), table, values }) },
    { weight: 9, arbitrary: fc.record({ does: fc.constant("update" as const), table, row, columns: fc.array(fc.boolean(), { minLength: widest, maxLength: widest }), values }) },
    { weight: 3, arbitrary: fc.record({ does: fc.constant("delete" as const), table, row }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant("truncate" as const), tables: fc.uniqueArray(table, { minLength: 1 }) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant("describe" as const), table }) },
    { weight: 5, arbitrary: fc.constant({ does: "commit" as const }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant("keepalive" as const), late: fc.boolean() }) },
  );
  return fc.array(command, { maxLength: 60, size: "max" });
}

export interface HistoryOptions {
  /** How values are sent; binary where absent. */
  readonly format?: ValueFormat;
  /** The values that a column takes, in place of arbitrary ones of its type. */
  readonly valuesOf?: (column: TestColumn, table: TestTable) => readonly (string | null)[];
}

/**
 * Histories of some of the tables with every kind of change (inserts, updates, deletes, changed keys, TRUNCATE, values stored
 * outside the row and not changed), each possible where it stands; keys used again and again, transactions of any size.
 *
 * @example
 * fc.assert(fc.property(arbitraryHistory([testTable("users", { id: "bigint primary key", email: "text" })]), (history) => { … }))
 */
export function arbitraryHistory(tables: readonly TestTable[], { format = "binary", valuesOf: given }: HistoryOptions = {}): fc.Arbitrary<History> {
  return fc.subarray([...tables], { minLength: 1 }).chain((some) => {
    const pools = fc.tuple(...some.map((table) => fc.tuple(...table.columns.map((column) => (given === undefined ? arbitraryPool(column) : fc.constant(given(column, table)))))));
    return fc.tuple(pools, arbitraryCommands(some)).map(([drawn, commands]) => historyOf(some, format, drawn, commands));
  });
}

/** A few values for a column, so that they meet again. */
function arbitraryPool(column: TestColumn): fc.Arbitrary<readonly (string | null)[]> {
  return fc.array(arbitraryText(column), { minLength: 1, maxLength: 7, size: "max" });
}

/** By table and column. */
type Pools = readonly (readonly (readonly (string | null)[])[])[];

function historyOf(tables: readonly TestTable[], format: ValueFormat, pools: Pools, commands: readonly Command[]): History {
  const valueAt = (table: number, column: number, number: number): string | null => {
    const pool = pools[table]![column]!;
    return pool[number % pool.length]!;
  };
  const state = new Map(tables.map((spec) => [spec.oid, new Map<string, TestRow>()]));
  const payloads: Buffer[] = [];
  const transactionOf: number[] = [];
  const transactions: History["transactions"][number][] = [];
  const described = new Set<number>();
  const log: string[] = [];
  let open: Buffer[] = [];
  let end = 1000n;

  const put = (payload: Buffer): void => {
    payloads.push(payload);
    transactionOf.push(transactions.length - 1);
  };
  const change = (spec: TestTable, message: WholeMessage): void => {
    if (!described.has(spec.oid)) open.push(xlogData(relationOf(spec)));
    described.add(spec.oid);
    open.push(xlogData(message));
    log.push(`${message.kind} ${spec.name}`);
  };
  const commit = (): void => {
    if (open.length === 0) return;
    const commitLsn = end + 10n;
    end = commitLsn + 20n;
    transactions.push({ commitLsn, endLsn: end, after: new Map([...state].map(([oid, rows]) => [oid, new Map(rows)])) });
    put(xlogData({ kind: "begin", finalLsn: commitLsn, commitTime: 0n, xid: transactions.length }));
    open.forEach(put);
    put(xlogData({ kind: "commit", commitLsn, endLsn: end, commitTime: 0n }));
    open = [];
    log.push(`commit ${commitLsn}`);
  };

  for (const step of commands) {
    switch (step.does) {
      case "commit":
        commit();
        break;
      case "keepalive":
        // A late one tells of a position before what has just been sent.
        if (open.length > 0) open.push(keepalive(end));
        else put(keepalive(step.late ? end - 25n : (end += 5n)));
        break;
      case "describe":
        described.delete(tables[step.table]!.oid);
        break;
      case "truncate": {
        const emptied = tables.filter((_, index) => step.tables.includes(index));
        for (const spec of emptied) {
          if (!described.has(spec.oid)) open.push(xlogData(relationOf(spec)));
          described.add(spec.oid);
          state.get(spec.oid)!.clear();
        }
        open.push(xlogData({ kind: "truncate", xid: undefined, relations: emptied.map(({ oid }) => oid), cascade: false, restartIdentity: false }));
        break;
      }
      case "insert": {
        const spec = tables[step.table]!;
        const rows = state.get(spec.oid)!;
        const added = spec.columns.map((_, column) => valueAt(step.table, column, step.values[column]!));
        if (!isKeyless(spec) && rows.has(keyOf(spec, added))) break;
        addRow(spec, rows, added);
        change(spec, insertMessage(spec, added, format));
        log.push(JSON.stringify(added));
        break;
      }
      case "delete":
      case "update": {
        const spec = tables[step.table]!;
        const rows = state.get(spec.oid)!;
        const before = [...rows.values()][step.row % Math.max(1, rows.size)];
        if (before === undefined) break;
        if (step.does === "delete") {
          removeRow(spec, rows, before);
          change(spec, deleteMessage(spec, before, format));
          log.push(JSON.stringify(before));
          break;
        }
        const after = before.map((value, column) => (step.columns[column]! ? valueAt(step.table, column, step.values[column]!) : value));
        if (!isKeyless(spec) && keyOf(spec, after) !== keyOf(spec, before) && rows.has(keyOf(spec, after))) break;
        removeRow(spec, rows, before);
        addRow(spec, rows, after);
        change(spec, updateMessage(spec, before, after, format));
        log.push(`${JSON.stringify(before)} to ${JSON.stringify(after)}`);
        break;
      }
    }
  }
  commit();
  return { tables, format, payloads, transactionOf, transactions, [fc.toStringMethod]: () => log.join(" | ") };
}
