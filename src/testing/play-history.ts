import { from, lastValueFrom, pipe, toArray } from "rxjs";
import type { StepBatch } from "../apply-step.js";
import type { ChangeBatch, ShardChanges } from "../change-batch.js";
import { operateChanges } from "../operators/operate-changes.js";
import { operateRows } from "../operators/operate-rows.js";
import { rewriteUpserts } from "../operators/rewrite-upserts.js";
import { changesOfShard, shardChanges } from "../operators/shard-changes.js";
import { skipApplied } from "../operators/skip-applied.js";
import type { Lsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { EVERY_SHARD } from "../sharding/table-route.js";
import { completeChanges } from "../sources/complete-changes.js";
import { changeBatches } from "./change-batches.js";
import { finalState, type History } from "./history.js";
import { keyOfRow, MemoryShard } from "./memory-shard.js";
import { homeOf, type Move, tableAfter } from "./move.js";
import { passed } from "./passed.js";
import { playCopy } from "./play-copy.js";
import { rowBatches, rowsOfBatch } from "./row-batches.js";
import { rowSetOf } from "./row-set-of.js";
import { type MemoryRun, runInMemory } from "./run-in-memory.js";
import { addRow, type State, type TestRow } from "./test-rows.js";
import { relationOf, tableOfShape, type TestTable } from "./test-table.js";

export interface Play extends Move {
  readonly history: History;
  /** Transactions that the copy has; all others are streamed. */
  readonly copied?: number;
  /** Batches of the stream end behind these payloads. */
  readonly cuts?: ReadonlySet<number>;
  readonly rowsPerBatch?: readonly number[];
  /** As of `MemoryFlow`. */
  readonly delays?: readonly number[];
}

export interface Played {
  /** What each shard has in the end. */
  readonly shards: readonly State[];
  readonly stream: MemoryRun;
  readonly batches: readonly ChangeBatch[];
}

/**
 * Copies what a source had at some time, and streams what came after it, through a table's operators to shards in memory:
 * with the operators of a migration, in virtual time.
 */
export async function playHistory(play: Play): Promise<Played> {
  const { history, copied = 0, cuts, delays } = play;
  const after = play.tables.map((table) => tableAfter(table, play));
  const memory = copiedShards(play, history.transactions[copied - 1]?.after ?? new Map(), history.format);
  const snapshot = history.transactions[copied - 1]?.endLsn ?? 1n;
  const batches = await completed(play, history, changeBatches(history.payloads, cuts));
  const tableOf = tablesByOid(after);
  const keyNames = (relation: PgoutputRelation): string[] => tableOf(relation.oid).columns.filter(({ key }) => key === true).map(({ name }) => name);
  const source = (): State => finalState(history);
  const apply = pipe(skipApplied({ applied: 0n, snapshotOf: () => snapshot }), rewriteUpserts(keyNames));
  const writers = memory.map((shard, number) => {
    const isHere = (oid: number, row: TestRow): boolean => [number, EVERY_SHARD].includes(homeOf(tableOf(oid), row, play.routeOf(tableOf(oid))));
    return (steps: StepBatch): void => { shard.apply(steps.steps, source, isHere); };
  });
  const stream = runInMemory({
    batches,
    operator: pipe(changeOperators(play, history.format), shardChanges(({ oid }) => play.routeOf(tableOf(oid)))),
    split: changesOfShard,
    shards: writers.map((write) => (part: ShardChanges): void => { write(passed(part, apply)); }),
    ...(delays === undefined ? {} : { delays }),
  });
  return { shards: memory.map(({ state }) => state), stream, batches };
}

/** The changes of a batch through a migration's own operators. */
export function changeOperators(move: Move, format: ValueFormat): ReturnType<typeof operateChanges> {
  const tableOf = tablesByOid(move.tables);
  const chains = new Map(move.tables.map((table) => [table.oid, move.chainOf(table)]));
  return operateChanges({ chainOf: ({ oid }) => chains.get(oid), relationAfter: ({ oid }, chain) => relationOf(tableOfShape(chain.output, tableOf(oid))), format });
}

/** New rows made whole out of what the source has in the end, as late as ever possible. */
export async function completed(move: Move, history: History, batches: readonly ChangeBatch[]): Promise<ChangeBatch[]> {
  const tableOf = tablesByOid(move.tables);
  const chains = new Map(move.tables.map((table) => [table.oid, move.chainOf(table)]));
  const final = finalState(history);
  return await lastValueFrom(from(batches).pipe(completeChanges({
    concerns: ({ oid }) => chains.get(oid) !== undefined,
    complete: (rows) => {
      const table = tableOf(rows.relation.oid);
      const row = final.get(table.oid)?.get(keyOfRow(table, rows, 0));
      return Promise.resolve(rowSetOf(table, rows.relation, row === undefined ? [] : [row], history.format));
    },
    untilSeen: () => Promise.resolve(),
  }), toArray()));
}

function copiedShards(move: Play, state: State, format: ValueFormat): MemoryShard[] {
  const after = move.tables.map((table) => tableAfter(table, move));
  const contents = Array.from({ length: move.shards }, () => new Map(after.map(({ oid }) => [oid, new Map<string, TestRow>()])));
  for (const [index, table] of move.tables.entries()) {
    const { shards } = playCopy(move, table, [...(state.get(table.oid)?.values() ?? [])], { format, ...(move.rowsPerBatch === undefined ? {} : { rowsPerBatch: move.rowsPerBatch }) });
    for (const [shard, own] of shards.entries()) {
      for (const row of own) addRow(after[index]!, contents[shard]!.get(table.oid)!, row);
    }
  }
  return contents.map((content) => new MemoryShard(after, content));
}

/** What each shard should have of a state: the operators applied to its rows, each where its route says. */
export async function expectedShards(move: Move, state: State, format: ValueFormat): Promise<State[]> {
  const shards = Array.from({ length: move.shards }, () => new Map<number, Map<string, TestRow>>());
  for (const table of move.tables) {
    const after = tableAfter(table, move);
    for (const contents of shards) contents.set(table.oid, new Map());
    for (const row of await operatedRows(move, table, [...(state.get(table.oid)?.values() ?? [])], format)) {
      const home = homeOf(after, row, move.routeOf(after));
      shards.forEach((contents, shard) => { if (home === shard || home === EVERY_SHARD) addRow(after, contents.get(table.oid)!, row); });
    }
  }
  return shards;
}

/** Rows through a table's operators, all at once. */
export async function operatedRows({ chainOf }: Pick<Move, "chainOf">, table: TestTable, rows: readonly TestRow[], format: ValueFormat): Promise<TestRow[]> {
  const chain = chainOf(table);
  if (chain === undefined) return [...rows];
  const [batch] = await lastValueFrom(from(rowBatches(table, rows, { format })).pipe(operateRows(chain, format), toArray()));
  return rowsOfBatch(tableOfShape(chain.output, table), batch!, format);
}

function tablesByOid(tables: readonly TestTable[]): (oid: number) => TestTable {
  const known = new Map(tables.map((table) => [table.oid, table]));
  return (oid) => known.get(oid)!;
}

/** The position behind all that a history tells. */
export function lastPosition(batches: readonly ChangeBatch[]): Lsn | undefined {
  return batches.findLast(({ resume }) => resume !== undefined)?.resume;
}
