import type { ApplyStep, RowSet } from "../../src/apply-step.js";
import type { Random } from "../../src/demo/random.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import type { OwnedAnswer, OwnedCommand } from "../../src/sinks/owned-commands.js";
import { addRow, isKeyless, keyOf, type Row, type RowTable, type TableSpec } from "../support/changes.js";
import type { State } from "../support/changes-history.js";
import { applyStep, complete, type IsHere, keyOfRow } from "../support/changes-model.js";
import { TABLES } from "../support/changes-tables.js";
import { Locks } from "./locks.js";
import { rowSetOf } from "../../src/testing/row-set-of.js";
import { keyName } from "./simulated-source.js";
import type { Steps } from "./stepped-sink.js";
import { ownerBytes, SPECS, violatesUnique } from "./tables.js";

/** What is committed on a shard; also what a transaction changes. Progress is by source shard. */
interface ShardData {
  readonly tables: ReadonlyMap<number, Map<string, Row>>;
  /** Positions up to which the stream is applied. */
  readonly applied: Map<number, Lsn>;
  /** Snapshot positions of the tables copied, by `source.table`. */
  readonly snapshots: Map<string, Lsn>;
  /** Tables that have their primary key. Before, the same key may come from several source shards; see `copyKey`. */
  readonly keyed: Set<number>;
}

/** Names a copied row while its table has no primary key yet. */
function copyKey(key: string, source: number): string {
  return `${key} of ${source}`;
}

/** What is to become of a copied row: the key that it came with, and under which it came. */
export interface CopiedRow {
  readonly name: string;
  readonly key: string;
  readonly row: Row;
}

/** A destination server: transactions see what is committed and their own writes, and leave all or nothing. */
export class SimulatedShard {
  readonly number: number;
  readonly #random: Random;
  readonly #onCommit: (shard: SimulatedShard) => void;
  /** The newest states of the source that rows were completed from, by `source.table`. */
  readonly completedFrom = new Map<string, Lsn>();
  #data: ShardData = { tables: new Map(TABLES.map(({ oid }) => [oid, new Map<string, Row>()])), applied: new Map(), snapshots: new Map(), keyed: new Set() };
  /** What is left after a crash, where some commits were not flushed yet. */
  #onDisk: ShardData | undefined;
  /** COMMITs that arrived from sessions which are gone; the server may still carry them out. */
  #orphans: ShardTransaction[] = [];

  readonly locks: Locks<ShardTransaction>;

  constructor(number: number, random: Random, onCommit: (shard: SimulatedShard) => void) {
    this.number = number;
    this.#random = random;
    this.#onCommit = onCommit;
    this.locks = new Locks(random);
  }

  get data(): ShardData {
    return this.#data;
  }

  /**
   * Ends what former sessions left behind, one way or the other: afterwards nothing but the caller changes anything. A new
   * transaction that waits for their locks comes to the same.
   */
  fence(): void {
    for (const orphan of this.#orphans.splice(0)) {
      if (this.#random.integer(0, 1) === 1) orphan.commit();
      else orphan.rollback();
    }
  }

  begin(): ShardTransaction {
    this.fence();
    return new ShardTransaction(this);
  }

  committed(): void {
    this.#onCommit(this);
  }

  /** A table's rows as they were copied, by their keys. */
  copied(oid: number): ReadonlyMap<string, readonly CopiedRow[]> {
    const spec = SPECS.get(oid)!;
    const byKey = new Map<string, CopiedRow[]>();
    for (const [name, row] of this.#data.tables.get(oid)!) {
      const key = isKeyless(spec) ? name : keyOf(spec, row);
      byKey.set(key, [...(byKey.get(key) ?? []), { name, key, row }]);
    }
    return byKey;
  }

  /** Builds a table's primary key. */
  buildKey(oid: number): void {
    const table = this.#data.tables.get(oid)!;
    const rows = [...this.copied(oid)];
    for (const [key, copies] of rows) if (copies.length > 1) throw new UniqueViolation(`table ${oid} has ${key} ${copies.length} times`);
    table.clear();
    for (const [key, copies] of rows) table.set(key, copies[0]!.row);
    this.#data.keyed.add(oid);
    this.flush();
    this.committed();
  }

  removeCopies(oid: number, names: readonly string[]): void {
    for (const name of names) this.#data.tables.get(oid)!.delete(name);
    this.flush();
  }

  adopt(orphan: ShardTransaction): void {
    this.#orphans.push(orphan);
  }

  /** Before a commit that is answered while it is only in memory. */
  commitsUnflushed(): void {
    this.#onDisk ??= copyOf(this.#data);
  }

  /** False where all is on disk already. */
  flush(): boolean {
    const unflushed = this.#onDisk !== undefined;
    this.#onDisk = undefined;
    return unflushed;
  }

  /** The server dies and comes back with what was on disk. */
  crash(): void {
    this.fence();
    if (this.#onDisk !== undefined) this.#data = this.#onDisk;
    this.#onDisk = undefined;
  }
}

function copyOf(data: ShardData): ShardData {
  return { tables: new Map([...data.tables].map(([oid, rows]) => [oid, new Map(rows)])), applied: new Map(data.applied), snapshots: new Map(data.snapshots), keyed: new Set(data.keyed) };
}

/** What rows are completed from, and which of them are kept. */
export interface Completion {
  /** Waits until what came by the stream is seen on the source. */
  readonly untilSeen: () => Steps<void>;
  readonly source: (oid: number) => State;
  readonly isHere: IsHere;
}

/** How `applyToShard` runs steps on tables that several source shards have rows of. */
export interface OwnedRun {
  /** The column that tells whose a row is. */
  readonly column: string;
  readonly completion: Completion;
  readonly look: (spec: TableSpec, keys: readonly string[]) => Steps<OwnedAnswer>;
}

/** Raised where a row would have a unique value that another one has. */
export class UniqueViolation extends Error {}

export class ShardTransaction {
  readonly #shard: SimulatedShard;
  readonly #tables: ReadonlyMap<number, OverlayTable>;
  readonly #applied = new Map<number, Lsn>();
  readonly #snapshots = new Map<string, Lsn>();

  constructor(shard: SimulatedShard) {
    this.#shard = shard;
    this.#tables = new Map([...shard.data.tables].map(([oid, rows]) => [oid, new OverlayTable(oid, rows)]));
  }

  /** One step as `applyToShard` sends it: each `yield` is the wait for an answer, with which what follows is sent. */
  *run(step: ApplyStep, completion: Completion, assumeNew: boolean): Steps<void> {
    if (step.kind === "update" && step.arriving) yield* this.#arrive(step.rows, step, completion);
    else if (step.kind === "upsert" && step.before === "present") yield* this.#replace(step);
    else {
      if (assumeNew && step.kind === "upsert" && step.before === "absent" && this.#missing(step.rows).length < step.rows.count) throw new UniqueViolation("COPY met a row that is there");
      applyStep(step, SPECS, this.#tables);
    }
    yield;
  }

  *#arrive(rows: RowSet, step: ApplyStep & { readonly kind: "update" }, completion: Completion): Steps<void> {
    const spec = SPECS.get(rows.relation.oid)!;
    const table = this.#tables.get(spec.oid)!;
    const missing = this.#missing(rows);
    applyStep({ ...step, arriving: false }, SPECS, this.#tables);
    if (missing.length === 0) return;
    for (const row of yield* this.#complete(rows, missing, completion)) table.set(keyOf(spec, row), row);
  }

  /** Looks the rows up, one after the other. */
  *#complete(rows: RowSet, places: readonly number[], { untilSeen, source, isHere }: Completion): Steps<Row[]> {
    const spec = SPECS.get(rows.relation.oid)!;
    const completed: Row[] = [];
    yield;
    yield* untilSeen();
    for (const place of places) {
      yield;
      const row = complete(spec, rows, place, () => source(spec.oid));
      if (row !== undefined && isHere(spec.oid, row)) completed.push(row);
    }
    return completed;
  }

  /** Sets the rows that are there; only where some are not, all are put in. */
  *#replace(step: ApplyStep & { readonly kind: "upsert" }): Steps<void> {
    const missing = this.#missing(step.rows).length > 0;
    const columns = step.rows.relation.columns.map((_, column) => column);
    applyStep({ kind: "update", rows: step.rows, columns, arriving: false }, SPECS, this.#tables);
    if (!missing) return;
    yield;
    applyStep(step, SPECS, this.#tables);
  }

  #missing(rows: RowSet): number[] {
    const spec = SPECS.get(rows.relation.oid)!;
    const table = this.#tables.get(spec.oid)!;
    return Array.from({ length: rows.count }, (_, row) => row).filter((row) => table.get(keyOfRow(spec, rows, row)) === undefined);
  }

  /** What `applyOwnedStep` does for a command, but to wait. */
  *perform(command: Exclude<OwnedCommand, { kind: "wait" }>, run: OwnedRun): Steps<OwnedAnswer> {
    const { rows } = command;
    const spec = SPECS.get(rows.relation.oid)!;
    const table = this.#tables.get(spec.oid)!;
    yield;
    switch (command.kind) {
      case "find": {
        const owners = new Map<number, Buffer | undefined>();
        for (let place = 0; place < rows.count; place++) {
          const key = keyOfRow(spec, rows, place);
          if (table.get(key) !== undefined) yield* this.#lock(spec.oid, key);
          const row = table.get(key);
          if (row !== undefined) owners.set(place, ownerBytes(spec.oid, row, run.column));
        }
        return owners;
      }
      case "look":
        return yield* run.look(spec, command.places.map((place) => keyOfRow(spec, rows, place)));
      case "complete":
        return rowSetOf(SPECS.get(rows.relation.oid)!, rows.relation, yield* this.#complete(rows, command.places, run.completion));
      case "insert":
        for (let place = 0; place < rows.count; place++) {
          const key = keyOfRow(spec, rows, place);
          yield* this.#lock(spec.oid, key);
          if (table.get(key) !== undefined) throw new UniqueViolation(`table ${spec.oid} has ${key} already`);
        }
        applyStep({ kind: "upsert", rows, before: "unknown" }, SPECS, this.#tables);
        return undefined;
      case "delete":
        applyStep({ kind: "delete", rows }, SPECS, this.#tables);
        return undefined;
      case "replace":
        applyStep({ kind: "upsert", rows, before: "unknown" }, SPECS, this.#tables);
        return undefined;
      case "update":
        applyStep({ kind: "update", rows, columns: command.columns, arriving: false }, SPECS, this.#tables);
        return undefined;
    }
  }

  /** Removes the rows of one source shard from a table: what was there when it began, unless it changes while a lock is waited for. */
  *truncateOwn({ oid }: PgoutputRelation, isOwn: (row: Row) => boolean): Steps<void> {
    const table = this.#tables.get(oid)!;
    for (const [key, row] of [...table.rows()]) {
      if (!isOwn(row)) continue;
      yield* this.#lock(oid, key);
      if (table.get(key) === row) table.delete(key);
    }
  }

  /** No other source shard's stream writes to tables that it shares with this one, until the transaction ends. */
  *takeTurn(): Steps<void> {
    yield* this.#shard.locks.take("turn", this, true);
  }

  *#lock(oid: number, key: string): Steps<void> {
    yield* this.#shard.locks.take(keyName(oid, key), this, false);
  }

  /** A row of a copy from a source shard. */
  insertCopied(oid: number, row: Row, source: number): void {
    const spec = SPECS.get(oid)!;
    const table = this.#tables.get(oid)!;
    if (isKeyless(spec)) addRow(spec, table, row);
    else {
      const key = copyKey(keyOf(spec, row), source);
      if (table.get(key) !== undefined) throw new UniqueViolation(`table ${oid} has ${key} already`);
      table.set(key, row);
    }
  }

  savepoint(): void {
    for (const table of this.#tables.values()) table.savepoint();
    this.#shard.locks.savepoint(this);
  }

  rollbackToSavepoint(): void {
    for (const table of this.#tables.values()) table.rollbackToSavepoint();
    this.#shard.locks.releaseToSavepoint(this);
  }

  rollback(): void {
    this.#shard.locks.release(this);
  }

  writeApplied(source: number, applied: Lsn): void {
    this.#applied.set(source, applied);
  }

  writeSnapshot(table: string, snapshot: Lsn): void {
    this.#snapshots.set(table, snapshot);
  }

  commit(): void {
    const { data } = this.#shard;
    for (const table of this.#tables.values()) table.writeThrough();
    for (const [source, applied] of this.#applied) data.applied.set(source, applied);
    for (const [table, snapshot] of this.#snapshots) data.snapshots.set(table, snapshot);
    this.#shard.locks.release(this);
    this.#shard.committed();
  }
}

/** A table as a transaction sees it: its own writes above the rows that are committed. */
class OverlayTable implements RowTable {
  readonly #oid: number;
  readonly #committed: Map<string, Row>;
  #cleared = false;
  #writes = new Map<string, Row | undefined>();
  #saved: { readonly cleared: boolean; readonly writes: ReadonlyMap<string, Row | undefined> } | undefined;

  constructor(oid: number, committed: Map<string, Row>) {
    this.#oid = oid;
    this.#committed = committed;
  }

  get(key: string): Row | undefined {
    if (this.#writes.has(key)) return this.#writes.get(key);
    return this.#cleared ? undefined : this.#committed.get(key);
  }

  set(key: string, row: Row): void {
    if (violatesUnique(this.#oid, key, row, this.rows())) throw new UniqueViolation(`table ${this.#oid} has a row with the unique value of ${key}`);
    this.#writes.set(key, row);
  }

  delete(key: string): void {
    this.#writes.set(key, undefined);
  }

  clear(): void {
    this.#cleared = true;
    this.#writes.clear();
  }

  savepoint(): void {
    this.#saved = { cleared: this.#cleared, writes: new Map(this.#writes) };
  }

  rollbackToSavepoint(): void {
    this.#cleared = this.#saved!.cleared;
    this.#writes = new Map(this.#saved!.writes);
  }

  writeThrough(): void {
    if (this.#cleared) this.#committed.clear();
    for (const [key, row] of this.#writes) {
      if (row === undefined) this.#committed.delete(key);
      else this.#committed.set(key, row);
    }
  }

  *rows(): Generator<readonly [string, Row]> {
    if (!this.#cleared) for (const [key, row] of this.#committed) if (!this.#writes.has(key)) yield [key, row];
    for (const [key, row] of this.#writes) if (row !== undefined) yield [key, row];
  }
}
