import type pg from "pg";
import type { ApplyStep, RowSet } from "../apply-step.js";
import { ReshardError } from "../errors.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import { deleteOwnStatement, deleteStatement, insertStatement, ownKeysStatement, ownersStatement, replacesRows, replaceStatement, updateStatement } from "./apply-statements.js";
import { contested, type Ownership } from "./ownership.js";
import { pickRows } from "./pick-rows.js";
import type { TargetTable } from "./target-table.js";

/** What a step needs of the session that it runs in. */
export interface OwnedRun {
  readonly execute: (text: string, values: readonly unknown[]) => Promise<pg.QueryResult<Record<string, unknown>>>;
  readonly encode: (rows: RowSet) => Buffer;
  /** See `ApplyToShardOptions`. */
  readonly complete: (rows: RowSet, places: readonly number[]) => Promise<RowSet>;
}

/** Rows at a time, where a whole table is gone through. */
const FETCHED_ROWS = 10_000;

/**
 * Runs a step on a table of which several source shards may have a row of the same key (`keyTells` is false), such that
 * it touches only rows of the source shard that streams here. Rows that it is about are locked first; new ones are
 * inserted without looking away from a conflict, so that one with a session of another source shard is met as an error.
 */
export async function applyOwnedStep(run: OwnedRun, target: TargetTable, step: Exclude<ApplyStep, { kind: "truncate" }>, ownership: Ownership): Promise<void> {
  const owned = new OwnedTable(run, target, ownership);
  switch (step.kind) {
    case "delete":
      await owned.delete(step.rows);
      break;
    case "upsert":
      await owned.put(step.rows);
      break;
    case "update":
      await owned.update(step.rows, step.columns);
      break;
    case "change-key":
      // What it does not carry is looked up on the source: the row that was here under its old key may be another's.
      await owned.delete(step.oldKey);
      await owned.update(step.rows, step.columns);
      break;
  }
}

/**
 * Until the transaction ends no other source shard's stream writes to such tables on this shard: two that touch the same
 * rows in another order would wait for one another. Where two transactions larger than the window do so crosswise on two
 * shards, neither server sees it, and one has to give way.
 */
export async function takeTurn(client: pg.Client, migration: string): Promise<void> {
  await client.query(`SET LOCAL lock_timeout = ${TURN_MILLISECONDS + Math.floor(Math.random() * TURN_MILLISECONDS)}`);
  await client.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`pg-reshard turn ${migration}`]);
  await client.query("SET LOCAL lock_timeout = 0");
}

const TURN_MILLISECONDS = 60_000;

/** Removes the rows of the source shard that streams here from a table that it has truncated. */
export async function truncateOwn(run: OwnedRun, target: TargetTable, ownership: Ownership): Promise<void> {
  if (ownership.column === undefined) return;
  await run.execute(`DECLARE reshard_own NO SCROLL CURSOR FOR ${ownKeysStatement(target, ownership.column)}`, []);
  for (;;) {
    const { rows } = await run.execute(`FETCH ${FETCHED_ROWS} FROM reshard_own`, []);
    if (rows.length === 0) break;
    const own = rows.filter((row) => ownership.isOwn((row["owner"] as Buffer | null) ?? undefined));
    if (own.length > 0) await run.execute(deleteOwnStatement(target), [own.map((row) => row["partition"]), own.map((row) => row["place"])]);
  }
  await run.execute("CLOSE reshard_own", []);
}

/** Places of rows, by what is on the shard under their keys. */
interface Found {
  readonly absent: readonly number[];
  readonly own: readonly number[];
  readonly others: readonly number[];
}

class OwnedTable {
  readonly #run: OwnedRun;
  readonly #target: TargetTable;
  readonly #ownership: Ownership;

  constructor(run: OwnedRun, target: TargetTable, ownership: Ownership) {
    this.#run = run;
    this.#target = target;
    this.#ownership = ownership;
  }

  async delete(rows: RowSet): Promise<void> {
    const { own, others } = await this.#find(rows);
    await this.#delete(rows, [...own, ...(await this.#taken("delete", rows, others))]);
  }

  /** Puts in whole rows, or over those that are there. */
  async put(rows: RowSet): Promise<void> {
    const { absent, own, others } = await this.#find(rows);
    await this.#replace(rows, [...own, ...(await this.#taken("put", rows, others))]);
    await this.#insert(rows, absent);
  }

  /** Sets columns of rows; those that are not here, or as another's, are completed from the source. */
  async update(rows: RowSet, columns: readonly number[]): Promise<void> {
    const { absent, own, others } = await this.#find(rows);
    if (own.length > 0) await this.#run.execute(updateStatement(this.#target, columns), [this.#run.encode(pickRows(rows, own))]);
    const taken = await this.#taken("put", rows, others);
    if (taken.length > 0) await this.#replaceAll(await this.#run.complete(rows, taken));
    if (absent.length > 0) await this.#insertAll(await this.#run.complete(rows, absent));
  }

  /** Locks the rows that are there. */
  async #find(rows: RowSet): Promise<Found> {
    const { rows: there } = await this.#run.execute(ownersStatement(this.#target, this.#ownership.column!), [this.#run.encode(rows)]);
    const owners = new Map(there.map((row) => [(row["place"] as number) - 1, (row["owner"] as Buffer | null) ?? undefined]));
    const found = { absent: [] as number[], own: [] as number[], others: [] as number[] };
    for (let place = 0; place < rows.count; place++) {
      if (!owners.has(place)) found.absent.push(place);
      else if (this.#ownership.isOwn(owners.get(place))) found.own.push(place);
      else found.others.push(place);
    }
    return found;
  }

  /** Of rows that are here as another source shard's, those that a change applies to all the same. */
  async #taken(what: "put" | "delete", rows: RowSet, places: readonly number[]): Promise<number[]> {
    if (places.length === 0) return [];
    const whereabouts = await this.#ownership.whereabouts(rows, places);
    return places.filter((_, index) => {
      const verdict = contested(what, whereabouts[index]!);
      if (verdict === "wait") throw keyOnTwoShards(this.#target.table, this.#target.key.map((column) => this.#target.columns[column]!.name));
      return verdict === "take";
    });
  }

  async #delete(rows: RowSet, places: readonly number[]): Promise<void> {
    if (places.length > 0) await this.#run.execute(deleteStatement(this.#target), [this.#run.encode(pickRows(rows, places))]);
  }

  async #replace(rows: RowSet, places: readonly number[]): Promise<void> {
    if (places.length > 0) await this.#replaceAll(pickRows(rows, places));
  }

  /** Rows that are there, and locked. */
  async #replaceAll(rows: RowSet): Promise<void> {
    if (rows.count === 0) return;
    const array = this.#run.encode(rows);
    if (replacesRows(this.#target)) {
      await this.#run.execute(deleteStatement(this.#target), [array]);
      await this.#run.execute(insertStatement(this.#target), [array]);
      return;
    }
    const text = replaceStatement(this.#target);
    if (text !== undefined) await this.#run.execute(text, [array]);
  }

  async #insert(rows: RowSet, places: readonly number[]): Promise<void> {
    if (places.length > 0) await this.#insertAll(pickRows(rows, places));
  }

  async #insertAll(rows: RowSet): Promise<void> {
    if (rows.count > 0) await this.#run.execute(insertStatement(this.#target), [this.#run.encode(rows)]);
  }
}

/** Tried again after a while: most often a row is just being moved. */
export function keyOnTwoShards(table: TableName, key: readonly string[]): ReshardError {
  const name = displayName(table);
  return new ReshardError("KEY_ON_TWO_SHARDS", `A row of ${name} is on two shards of the source under the same key (${key.join(", ")}), and both belong on one shard.`, {
    kind: "retry",
    place: { table: name },
    remedy: "If this lasts, the two are different rows: give one of them another key on the source, or delete it.",
  });
}
