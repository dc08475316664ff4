import type { Random } from "../../src/demo/random.js";
import { addRow, deleteMessage, insertMessage, isKeyless, keyOf, removeRow, type Row, type TableSpec, updateMessage, xlogData } from "../support/changes.js";
import { valueOf } from "../support/changes-history.js";
import type { MovingRows } from "./moving-rows.js";
import { keyName, type LoggedChange, type SimulatedSource } from "./simulated-source.js";
import { movesBetweenSources, sourceOf, UNIQUE_COLUMNS, violatesUnique } from "./tables.js";

/** What an application that knows the source shards works with. */
export interface Application {
  readonly sources: readonly SimulatedSource[];
  readonly tables: readonly TableSpec[];
  readonly random: Random;
  readonly moving: MovingRows;
  /** How often rows move between source shards, of 40 times that they do something else. */
  readonly restlessness: number;
}

/** One transaction of a source: its tables change, its WAL grows. What it did, for people; undefined where it did nothing. */
export function writeTransaction(source: SimulatedSource, application: Application): string | undefined {
  const { random } = application;
  // On each server one after the other; there, commits are answered once they are seen.
  source.show();
  const log = new TransactionLog(source, application);
  // Mostly small; now and then one that comes in pieces.
  const size = random.integer(1, 8) === 1 ? random.integer(6, 25) : random.integer(1, 5);
  log.goOnMoving(random.integer(0, 1) === 1);
  for (let place = 0; place < size; place++) log.change();
  return log.commit();
}

/** What is still to be done for rows that are being moved. */
export function finishMoving(source: SimulatedSource, application: Application): string | undefined {
  source.show();
  const log = new TransactionLog(source, application);
  log.goOnMoving(true);
  return log.commit();
}

class TransactionLog {
  readonly #changes: LoggedChange[] = [];
  readonly #puts = new Set<string>();
  readonly #words: string[] = [];
  readonly #source: SimulatedSource;
  readonly #application: Application;
  readonly #tables: readonly TableSpec[];
  readonly #random: Random;

  constructor(source: SimulatedSource, application: Application) {
    this.#source = source;
    this.#application = application;
    this.#tables = application.tables;
    this.#random = application.random;
  }

  commit(): string | undefined {
    if (this.#changes.length === 0) return undefined;
    const commitLsn = this.#source.commit(this.#changes, this.#puts);
    return `${this.#application.sources.length === 1 ? "" : `source ${this.#source.number} `}commit ${commitLsn}: ${this.#words.join(", ")}`;
  }

  change(): void {
    const spec = this.#random.pick(this.#tables);
    const moves = movesBetweenSources(spec.oid, this.#application.sources.length);
    const dice = this.#random.integer(1, moves ? 40 + this.#application.restlessness : 40);
    if (dice <= 12) this.#insert(spec);
    else if (dice <= 32) this.#update(spec);
    else if (dice <= 37) this.#delete(spec);
    else if (dice <= 39) this.#swap(spec);
    else if (dice <= 40) this.#truncate();
    else if (dice % 2 === 0) this.#sendAway(spec);
    else this.#fetch(spec);
  }

  /** Second halves of moves; with `all` whatever there is to do here. */
  goOnMoving(all: boolean): void {
    const { moving, sources } = this.#application;
    for (const { spec, row } of moving.arrivalsAt(this.#source.number, () => all || this.#random.integer(0, 3) === 0)) {
      if (!this.#isTaken(spec, keyOf(spec, row))) this.#put(spec, row);
    }
    for (const { spec, key } of moving.doubled(sources)) {
      const row = this.#rows(spec).get(key);
      if (row !== undefined && (all || this.#random.integer(0, 3) === 0)) this.#remove(spec, row);
    }
  }

  #insert(spec: TableSpec): void {
    const row = this.#own(spec, () => spec.columns.map((column) => valueOf(column, this.#random.integer(0, 20))));
    if (row === undefined || this.#isTaken(spec, keyOf(spec, row)) || violatesUnique(spec.oid, keyOf(spec, row), row, this.#rows(spec))) return;
    this.#put(spec, row);
  }

  #update(spec: TableSpec): void {
    const before = this.#someRow(spec);
    if (before === undefined) return;
    const chosen = this.#random.integer(0, (1 << spec.columns.length) - 1);
    const after = this.#own(spec, () => before.map((value, column) => (((chosen >> column) & 1) === 1 ? valueOf(spec.columns[column]!, this.#random.integer(0, 20)) : value)));
    if (after !== undefined) this.#replace(spec, before, after);
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
    if (newKey !== oldKey && this.#isTaken(spec, newKey)) return;
    removeRow(spec, rows, before);
    if (violatesUnique(spec.oid, newKey, after, rows)) {
      addRow(spec, rows, before);
      return;
    }
    addRow(spec, rows, after);
    this.#puts.add(keyName(spec.oid, newKey));
    this.#changes.push({ tables: [spec], payload: xlogData(updateMessage(spec, before, after)) });
    this.#words.push(`update ${shown(spec, before)} to ${after.join(" ")}`);
  }

  #delete(spec: TableSpec): void {
    const row = this.#someRow(spec);
    if (row !== undefined) this.#remove(spec, row);
  }

  #truncate(): void {
    const emptied = this.#tables.filter(() => this.#random.integer(0, 2) === 0);
    if (emptied.length === 0) return;
    for (const spec of emptied) this.#rows(spec).clear();
    const relations = emptied.map(({ oid }) => oid);
    this.#changes.push({ tables: emptied, payload: xlogData({ kind: "truncate", xid: undefined, relations, cascade: false, restartIdentity: false }) });
    this.#words.push(`truncate ${emptied.map(({ name }) => name).join(" ")}`);
  }

  /** A row leaves for another source shard, where it is yet to be put in. */
  #sendAway(spec: TableSpec): void {
    const row = this.#someRow(spec);
    if (row === undefined) return;
    const moved = this.#variant(spec, row);
    const target = sourceOf(spec.oid, moved, this.#application.sources.length);
    if (target === this.#source.number) return;
    this.#remove(spec, row);
    this.#application.moving.send({ source: target, spec, row: moved });
  }

  /** A row of another source shard is put in here, and is yet to be removed there. */
  #fetch(spec: TableSpec): void {
    const others = this.#application.sources.filter(({ number }) => number !== this.#source.number);
    const rows = others.flatMap(({ tables }) => [...tables.get(spec.oid)!.values()]);
    if (rows.length === 0) return;
    const row = this.#random.pick(rows);
    const moved = this.#own(spec, () => this.#variant(spec, row));
    const key = keyOf(spec, row);
    if (moved === undefined || this.#rows(spec).has(key)) return;
    this.#put(spec, moved);
    this.#application.moving.double(spec, key);
  }

  /** The row with its key and other values. */
  #variant(spec: TableSpec, row: Row): Row {
    return row.map((value, column) => (spec.columns[column]!.key === true || this.#random.integer(0, 3) === 0 ? value : valueOf(spec.columns[column]!, this.#random.integer(0, 20))));
  }

  /** A row that belongs on this source shard; undefined where none of a few do. */
  #own(spec: TableSpec, make: () => Row): Row | undefined {
    const { sources } = this.#application;
    if (sources.length === 1) return make();
    for (let attempt = 0; attempt < 4; attempt++) {
      const row = make();
      // What is unique on each source shard must be so on all of them together.
      const unique = row[UNIQUE_COLUMNS.get(spec.oid) ?? -1] ?? null;
      if (unique !== null && Number(unique.slice(1)) % sources.length !== this.#source.number) continue;
      const source = sourceOf(spec.oid, row, sources.length);
      if (source < 0 || source === this.#source.number) return row;
    }
    return undefined;
  }

  #put(spec: TableSpec, row: Row): void {
    const key = keyOf(spec, row);
    addRow(spec, this.#rows(spec), row);
    this.#puts.add(keyName(spec.oid, key));
    this.#changes.push({ tables: [spec], payload: xlogData(insertMessage(spec, row)) });
    this.#words.push(`insert ${shown(spec, row)}`);
  }

  #remove(spec: TableSpec, row: Row): void {
    removeRow(spec, this.#rows(spec), row);
    this.#changes.push({ tables: [spec], payload: xlogData(deleteMessage(spec, row)) });
    this.#words.push(`delete ${shown(spec, row)}`);
  }

  /** A row has the key: here, or, of rows that may move, on any source shard. */
  #isTaken(spec: TableSpec, key: string): boolean {
    const { sources } = this.#application;
    if (isKeyless(spec)) return false;
    return movesBetweenSources(spec.oid, sources.length) ? sources.some(({ tables }) => tables.get(spec.oid)!.has(key)) : this.#rows(spec).has(key);
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
