import fc from "fast-check";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { WholeMessage } from "./pgoutput.js";
import { addRow, type ColumnSpec, deleteMessage, insertMessage, isKeyless, keepalive, keyOf, relationOf, removeRow, type Row, type TableSpec, updateMessage, xlogData } from "./changes.js";

/** The rows of every table as `addRow` names them, by the table's OID. */
export type State = ReadonlyMap<number, ReadonlyMap<string, Row>>;

/** What a source did, as its slot sends it, and what it held after each transaction. */
export interface History {
  readonly tables: readonly TableSpec[];
  readonly payloads: readonly Buffer[];
  /** Payload `i` is of transaction `transactionOf[i]`; -1 before the first. */
  readonly transactionOf: readonly number[];
  readonly transactions: readonly { readonly commitLsn: Lsn; readonly endLsn: Lsn; readonly after: State }[];
  /** What a failed property shows. */
  readonly [fc.toStringMethod]: () => string;
}

/** The state that a snapshot at `position` shows. */
export function stateAt(history: History, position: Lsn): State {
  return history.transactions.filter(({ commitLsn }) => commitLsn < position).at(-1)?.after ?? new Map<number, ReadonlyMap<string, Row>>();
}

export function finalState(history: History): State {
  return stateAt(history, 1n << 63n);
}

/** Something a source does; numbers are taken modulo whatever there is. */
type Command =
  | { readonly does: "insert"; readonly table: number; readonly values: readonly number[] }
  | { readonly does: "update"; readonly table: number; readonly row: number; readonly columns: number; readonly values: readonly number[] }
  | { readonly does: "delete"; readonly table: number; readonly row: number }
  | { readonly does: "truncate"; readonly tables: number }
  | { readonly does: "describe"; readonly table: number }
  | { readonly does: "commit" }
  | { readonly does: "keepalive"; readonly late: boolean };

const values = fc.array(fc.nat(20), { minLength: 4, maxLength: 4 });
const table = fc.nat(8);
const row = fc.nat(9);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant("insert" as const), table, values }) },
  { weight: 9, arbitrary: fc.record({ does: fc.constant("update" as const), table, row, columns: fc.integer({ min: 1, max: 15 }), values }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant("delete" as const), table, row }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("truncate" as const), tables: fc.integer({ min: 1, max: 511 }) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("describe" as const), table }) },
  { weight: 5, arbitrary: fc.constant({ does: "commit" as const }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("keepalive" as const), late: fc.boolean() }) },
);

export interface HistoryOptions {
  readonly tables: readonly TableSpec[];
}

/** Histories of some of the tables with every kind of change, keys used again and again, transactions of any size. */
export function arbitraryHistory({ tables }: HistoryOptions): fc.Arbitrary<History> {
  return fc
    .tuple(fc.subarray([...tables], { minLength: 1 }), fc.array(command, { maxLength: 60, size: "max" }))
    .map(([some, commands]) => historyOf({ tables: some }, commands));
}

function historyOf({ tables }: HistoryOptions, commands: readonly Command[]): History {
  const state = new Map(tables.map((spec) => [spec.oid, new Map<string, Row>()]));
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
  const change = (spec: TableSpec, message: WholeMessage): void => {
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
        described.delete(tables[step.table % tables.length]!.oid);
        break;
      case "truncate": {
        const emptied = tables.filter((_, index) => ((step.tables >> index) & 1) === 1);
        if (emptied.length === 0) break;
        for (const spec of emptied) {
          if (!described.has(spec.oid)) open.push(xlogData(relationOf(spec)));
          described.add(spec.oid);
          state.get(spec.oid)!.clear();
        }
        open.push(xlogData({ kind: "truncate", xid: undefined, relations: emptied.map(({ oid }) => oid), cascade: false, restartIdentity: false }));
        break;
      }
      case "insert": {
        const spec = tables[step.table % tables.length]!;
        const rows = state.get(spec.oid)!;
        const added = spec.columns.map((column, index) => valueOf(column, step.values[index]!));
        if (!isKeyless(spec) && rows.has(keyOf(spec, added))) break;
        addRow(spec, rows, added);
        change(spec, insertMessage(spec, added));
        log.push(added.join());
        break;
      }
      case "delete":
      case "update": {
        const spec = tables[step.table % tables.length]!;
        const rows = state.get(spec.oid)!;
        const before = [...rows.values()][step.row % Math.max(1, rows.size)];
        if (before === undefined) break;
        if (step.does === "delete") {
          removeRow(spec, rows, before);
          change(spec, deleteMessage(spec, before));
          log.push(before.join());
          break;
        }
        const after = before.map((value, column) => (((step.columns >> column) & 1) === 1 ? valueOf(spec.columns[column]!, step.values[column]!) : value));
        if (!isKeyless(spec) && keyOf(spec, after) !== keyOf(spec, before) && rows.has(keyOf(spec, after))) break;
        removeRow(spec, rows, before);
        addRow(spec, rows, after);
        change(spec, updateMessage(spec, before, after));
        log.push(`${before.join()} to ${after.join()}`);
        break;
      }
    }
  }
  commit();
  return { tables, payloads, transactionOf, transactions, [fc.toStringMethod]: () => log.join(" | ") };
}

/** Few different values, so that keys meet again. */
export function valueOf(column: ColumnSpec, number: number): string | null {
  if (column.few === true) return [null, "v1", "v2", column.large === true ? "T3" : "v3"][number % 4]!;
  if (column.key === true) return column.large === true && number % 2 === 0 ? `T${number % 6}` : `k${number % 5}`;
  if (column.large === true) return number % 4 === 0 ? `s${number}` : `T${number}`;
  return number % 5 === 0 ? null : `v${number}`;
}
