import type pg from "pg";
import type { KeyedStep, RowSet } from "../apply-step.js";
import { ReshardError } from "../errors.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import { reasonOf } from "../postgres/server-errors.js";
import { deleteOwnStatement, deleteStatement, emptyStatement, insertStatement, ownKeysStatement, ownersStatement, replacesRows, replaceStatement, updateStatement } from "./apply-statements.js";
import { type OwnedAnswer, type OwnedCommand, ownedCommands } from "./owned-commands.js";
import type { Ownership } from "./ownership.js";
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

/** Runs a step on a table of which several source shards may have a row of the same key (`keyTells` is false). */
export async function applyOwnedStep(run: OwnedRun, target: TargetTable, step: KeyedStep, ownership: Ownership): Promise<void> {
  const commands = ownedCommands(step, ownership);
  let answer: OwnedAnswer;
  for (;;) {
    const next = commands.next(answer);
    if (next.done === true) return;
    answer = await perform(run, target, next.value, ownership);
  }
}

async function perform(run: OwnedRun, target: TargetTable, command: OwnedCommand, ownership: Ownership): Promise<OwnedAnswer> {
  switch (command.kind) {
    case "find": {
      const { rows } = await run.execute(ownersStatement(target, ownership.column!), [run.encode(command.rows)]);
      return new Map(rows.map((row) => [(row["place"] as number) - 1, (row["owner"] as Buffer | null) ?? undefined]));
    }
    case "look":
      return await ownership.whereabouts(command.rows, command.places);
    case "complete":
      return await run.complete(command.rows, command.places);
    case "delete":
      await run.execute(deleteStatement(target), [run.encode(command.rows)]);
      return undefined;
    case "update":
      await run.execute(updateStatement(target, command.columns), [run.encode(command.rows)]);
      return undefined;
    case "replace":
      await replace(run, target, run.encode(command.rows));
      return undefined;
    case "insert":
      await run.execute(insertStatement(target), [run.encode(command.rows)]);
      return undefined;
    case "wait":
      throw keyOnTwoShards(target.table, target.key.map((column) => target.columns[column]!.name));
  }
}

/** Rows that are there, and locked. */
async function replace(run: OwnedRun, target: TargetTable, array: Buffer): Promise<void> {
  if (replacesRows(target)) {
    await run.execute(deleteStatement(target), [array]);
    await run.execute(insertStatement(target), [array]);
    return;
  }
  const text = replaceStatement(target);
  if (text !== undefined) await run.execute(text, [array]);
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
  if (ownership.column === undefined) {
    if (ownership.isOwn(undefined)) await run.execute(emptyStatement(target), []);
    return;
  }
  await run.execute(`DECLARE reshard_own NO SCROLL CURSOR FOR ${ownKeysStatement(target, ownership.column)}`, []);
  for (;;) {
    const { rows } = await run.execute(`FETCH ${FETCHED_ROWS} FROM reshard_own`, []);
    if (rows.length === 0) break;
    const own = rows.filter((row) => ownership.isOwn((row["owner"] as Buffer | null) ?? undefined));
    if (own.length > 0) await run.execute(deleteOwnStatement(target), [own.map((row) => row["partition"]), own.map((row) => row["place"])]);
  }
  await run.execute("CLOSE reshard_own", []);
}

/** Tried again while the other source shards' streams go on: one of them will take the other row away. */
export function uniqueValueTaken(table: TableName, cause: unknown): ReshardError {
  const name = displayName(table);
  return new ReshardError("UNIQUE_VALUE_TAKEN", `A row of ${name} has a unique value that a row of another source shard has on the same shard: ${reasonOf(cause)}.`, {
    kind: "retry",
    place: { table: name },
    remedy: "If this lasts, both source shards have such a row, which one shard cannot: change one of them on the source, or drop the unique constraint on the shards.",
    cause,
  });
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
