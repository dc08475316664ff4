import type { ApplyStep, RowSet } from "../../src/apply-step.js";
import type { Random } from "../../src/demo/random.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { keyOf, type Row } from "../support/changes.js";
import type { State } from "../support/changes-history.js";
import { applyStep, complete, keyOfRow, type RowTable } from "../support/changes-model.js";
import { TABLES } from "../support/changes-tables.js";
import type { Steps } from "./stepped-sink.js";
import { SPECS, violatesUnique } from "./tables.js";

/** What is committed on a shard; also what a transaction changes. Progress is by source shard. */
interface ShardData {
  readonly tables: ReadonlyMap<number, Map<string, Row>>;
  /** Positions up to which the stream is applied. */
  readonly applied: Map<number, Lsn>;
  /** Snapshot positions of the tables copied, by `source.table`. */
  readonly snapshots: Map<string, Lsn>;
}

/** A destination server: transactions see what is committed and their own writes, and leave all or nothing. */
export class SimulatedShard {
  readonly number: number;
  readonly #random: Random;
  readonly #onCommit: (shard: SimulatedShard) => void;
  /** The newest states of the source that rows were completed from, by `source.table`. */
  readonly completedFrom = new Map<string, Lsn>();
  #data: ShardData = { tables: new Map(TABLES.map(({ oid }) => [oid, new Map<string, Row>()])), applied: new Map(), snapshots: new Map() };
  /** What is left after a crash, where some commits were not flushed yet. */
  #onDisk: ShardData | undefined;
  /** COMMITs that arrived from sessions which are gone; the server may still carry them out. */
  #orphans: ShardTransaction[] = [];

  constructor(number: number, random: Random, onCommit: (shard: SimulatedShard) => void) {
    this.number = number;
    this.#random = random;
    this.#onCommit = onCommit;
  }

  get data(): ShardData {
    return this.#data;
  }

  /**
   * Ends what former sessions left behind, one way or the other: afterwards nothing but the caller changes anything. A new
   * transaction that waits for their locks comes to the same.
   */
  fence(): void {
    for (const orphan of this.#orphans.splice(0)) if (this.#random.integer(0, 1) === 1) orphan.commit();
  }

  begin(): ShardTransaction {
    this.fence();
    return new ShardTransaction(this);
  }

  committed(): void {
    this.#onCommit(this);
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
  return { tables: new Map([...data.tables].map(([oid, rows]) => [oid, new Map(rows)])), applied: new Map(data.applied), snapshots: new Map(data.snapshots) };
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
  *run(step: ApplyStep, source: (oid: number) => State, assumeNew: boolean): Steps<void> {
    if (step.kind === "update" && step.arriving) yield* this.#arrive(step.rows, step, source);
    else if (step.kind === "upsert" && step.before === "present") yield* this.#replace(step);
    else {
      if (assumeNew && step.kind === "upsert" && step.before === "absent" && this.#missing(step.rows).length < step.rows.count) throw new UniqueViolation("COPY met a row that is there");
      applyStep(step, SPECS, this.#tables);
    }
    yield;
  }

  *#arrive(rows: RowSet, step: ApplyStep & { readonly kind: "update" }, source: (oid: number) => State): Steps<void> {
    const spec = SPECS.get(rows.relation.oid)!;
    const table = this.#tables.get(spec.oid)!;
    const missing = this.#missing(rows);
    applyStep({ ...step, arriving: false }, SPECS, this.#tables);
    if (missing.length === 0) return;
    yield;
    const completed = missing.map((row) => complete(spec, rows, row, () => source(spec.oid)));
    yield;
    for (const row of completed) if (row !== undefined) table.set(keyOf(spec, row), row);
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

  insert(oid: number, key: string, row: Row): void {
    const table = this.#tables.get(oid)!;
    if (table.get(key) !== undefined) throw new UniqueViolation(`table ${oid} has ${key} already`);
    table.set(key, row);
  }

  savepoint(): void {
    for (const table of this.#tables.values()) table.savepoint();
  }

  rollbackToSavepoint(): void {
    for (const table of this.#tables.values()) table.rollbackToSavepoint();
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
    if (violatesUnique(this.#oid, key, row, this.#rows())) throw new UniqueViolation(`table ${this.#oid} has a row with the unique value of ${key}`);
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

  *#rows(): Generator<readonly [string, Row]> {
    if (!this.#cleared) for (const [key, row] of this.#committed) if (!this.#writes.has(key)) yield [key, row];
    for (const [key, row] of this.#writes) if (row !== undefined) yield [key, row];
  }
}
