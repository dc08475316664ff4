import type { Random } from "../../src/demo/random.js";
import { deleteMessage, insertMessage, keyOf, type Row, type TableSpec, updateMessage, xlogData } from "../support/changes.js";
import { valueOf } from "../support/changes-history.js";
import type { LoggedChange, SimulatedSource } from "./simulated-source.js";
import { KEYS_STAY, UNIQUE_COLUMNS, violatesUnique } from "./tables.js";

/** One transaction of a source: its tables change, its WAL grows. What it did, for people; undefined where it did nothing. */
export function writeTransaction(source: SimulatedSource, tables: readonly TableSpec[], random: Random): string | undefined {
  const log = new TransactionLog(source, tables, random);
  // Mostly small; now and then one that comes in pieces.
  const size = random.integer(1, 8) === 1 ? random.integer(6, 25) : random.integer(1, 5);
  for (let place = 0; place < size; place++) log.change();
  if (log.changes.length === 0) return undefined;
  const commitLsn = source.commit(log.changes);
  return `commit ${commitLsn}: ${log.words.join(", ")}`;
}

class TransactionLog {
  readonly changes: LoggedChange[] = [];
  readonly words: string[] = [];
  readonly #source: SimulatedSource;
  readonly #tables: readonly TableSpec[];
  readonly #random: Random;

  constructor(source: SimulatedSource, tables: readonly TableSpec[], random: Random) {
    this.#source = source;
    this.#tables = tables;
    this.#random = random;
  }

  change(): void {
    const spec = this.#random.pick(this.#tables);
    const dice = this.#random.integer(1, 40);
    if (dice <= 12) this.#insert(spec);
    else if (dice <= 32) this.#update(spec);
    else if (dice <= 37) this.#delete(spec);
    else if (dice <= 39) this.#swap(spec);
    else this.#truncate();
  }

  #insert(spec: TableSpec): void {
    const row = spec.columns.map((column) => valueOf(column, this.#random.integer(0, 20)));
    const key = keyOf(spec, row);
    const rows = this.#rows(spec);
    if (rows.has(key) || violatesUnique(spec.oid, key, row, rows)) return;
    rows.set(key, row);
    this.changes.push({ tables: [spec], payload: xlogData(insertMessage(spec, row)) });
    this.words.push(`insert ${shown(spec, row)}`);
  }

  #update(spec: TableSpec): void {
    const before = this.#someRow(spec);
    if (before === undefined) return;
    const chosen = this.#random.integer(0, (1 << spec.columns.length) - 1);
    this.#replace(spec, before, before.map((value, column) => (((chosen >> column) & 1) === 1 ? valueOf(spec.columns[column]!, this.#random.integer(0, 20)) : value)));
  }

  /** Two rows change their values in the unique column, by way of NULL. */
  #swap(spec: TableSpec): void {
    const column = UNIQUE_COLUMNS.get(spec.oid);
    const [first, second] = [this.#someRow(spec), this.#someRow(spec)];
    if (column === undefined || first === undefined || second === undefined || first === second) return;
    const withValue = (row: Row, value: string | null): Row => row.map((own, index) => (index === column ? value : own));
    const parked = withValue(first, null);
    this.#replace(spec, first, parked);
    this.#replace(spec, second, withValue(second, first[column]!));
    this.#replace(spec, parked, withValue(parked, second[column]!));
  }

  #replace(spec: TableSpec, before: Row, after: Row): void {
    const [oldKey, newKey] = [keyOf(spec, before), keyOf(spec, after)];
    const rows = this.#rows(spec);
    if (newKey !== oldKey && (KEYS_STAY.has(spec.name) || rows.has(newKey))) return;
    rows.delete(oldKey);
    if (violatesUnique(spec.oid, newKey, after, rows)) {
      rows.set(oldKey, before);
      return;
    }
    rows.set(newKey, after);
    this.changes.push({ tables: [spec], payload: xlogData(updateMessage(spec, before, after)) });
    this.words.push(`update ${shown(spec, before)} to ${after.join(" ")}`);
  }

  #delete(spec: TableSpec): void {
    const row = this.#someRow(spec);
    if (row === undefined) return;
    this.#rows(spec).delete(keyOf(spec, row));
    this.changes.push({ tables: [spec], payload: xlogData(deleteMessage(spec, row)) });
    this.words.push(`delete ${shown(spec, row)}`);
  }

  #truncate(): void {
    const emptied = this.#tables.filter(() => this.#random.integer(0, 2) === 0);
    if (emptied.length === 0) return;
    for (const spec of emptied) this.#rows(spec).clear();
    const relations = emptied.map(({ oid }) => oid);
    this.changes.push({ tables: emptied, payload: xlogData({ kind: "truncate", xid: undefined, relations, cascade: false, restartIdentity: false }) });
    this.words.push(`truncate ${emptied.map(({ name }) => name).join(" ")}`);
  }

  #someRow(spec: TableSpec): Row | undefined {
    const rows = [...this.#rows(spec).values()];
    return rows.length === 0 ? undefined : this.#random.pick(rows);
  }

  #rows(spec: TableSpec): Map<string, Row> {
    return this.#source.tables.get(spec.oid)!;
  }
}

function shown(spec: TableSpec, row: Row): string {
  return `${spec.name} ${row.join(" ")}`;
}
