import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { from, lastValueFrom, pipe, toArray } from "rxjs";
import { Action, type ChangeBatch } from "../change-batch.js";
import { operateRows } from "../operators/operate-rows.js";
import { changesOfShard, shardChanges } from "../operators/shard-changes.js";
import type { Lsn } from "../postgres/lsn.js";
import { EVERY_SHARD } from "../sharding/table-route.js";
import { arbitraryTestRow, arbitraryTestRows } from "./arbitrary-values.js";
import { changeBatches, deleteMessage, insertMessage, updateMessage, xlogData } from "./change-batches.js";
import { expectedActions } from "./expected-actions.js";
import { finalState, type History } from "./history.js";
import { shown } from "./memory-shard.js";
import { homeOf, type Move, tableAfter } from "./move.js";
import { playCopy } from "./play-copy.js";
import { changeOperators, completed, expectedShards, lastPosition, operatedRows, playHistory } from "./play-history.js";
import { END_OF_COPY, rowBatches, rowsOfBatch } from "./row-batches.js";
import { type MemoryRun, runInMemory } from "./run-in-memory.js";
import { shownChanges, type ShownChange } from "./shown-changes.js";
import { arbitraryMove, arbitraryPlay, behindOperators, type Property, type Subject } from "./subject.js";
import { keyOf, type TestRow } from "./test-rows.js";
import { relationOf, type TestTable } from "./test-table.js";

/** All properties by name, for a runner's `test.each(Object.entries(…))`. */
export function operatorProperties(subject: Subject): Readonly<Record<string, Property>> {
  return {
    "every row to exactly one shard": everyRowToOneShard(subject),
    "routing stable over insert, update and delete": routingStable(subject),
    "the order of changes of one key kept": keyOrderKept(subject),
    "no position lost": noPositionLost(subject),
    "the same however batches are split": commutesWithSplit(subject),
    "copy and stream agree": copyAgreesWithStream(subject),
  };
}

/** Copied rows are on the shard that the route gives for them, on no other, and in the order in which they came. */
export function everyRowToOneShard(subject: Subject): Property {
  return fc.asyncProperty(arbitraryMove(subject), arbitraryCopy(subject.tables), async ({ move, format }, { table, rows, rowsPerBatch }) => {
    const after = tableAfter(table, move);
    const homes = (await operatedRows(move, table, rows, format)).map((row) => ({ row, home: homeOf(after, row, move.routeOf(after)) }));
    for (const { home } of homes) ok(home === EVERY_SHARD || (home >= 0 && home < move.shards), `there is no shard ${home} among ${move.shards}`);
    const { shards } = playCopy(move, table, rows, { format, rowsPerBatch });
    deepStrictEqual(shards, shards.map((_, shard) => homes.filter(({ home }) => home === shard || home === EVERY_SHARD).map(({ row }) => row)));
  });
}

/**
 * A row's insert goes where its copy goes; its update and its delete reach it there, and take it along where it moves. No
 * shard does more than what the change cannot rule out. Operators have no part in it.
 */
export function routingStable(subject: Subject): Property {
  const about = behindOperators(subject);
  const drawn = fc.constantFrom(...about.tables).chain((table) => fc.tuple(fc.constant(table), arbitraryTestRow(table), arbitraryTestRow(table), fc.array(fc.boolean(), { minLength: table.columns.length, maxLength: table.columns.length })));
  return fc.asyncProperty(arbitraryMove(about), drawn, async ({ move, format }, [table, before, other, changed]) => {
    const after = before.map((value, place) => (changed[place]! ? other[place]! : value));
    const route = move.routeOf(table);
    const messages = [insertMessage(table, before, format), updateMessage(table, before, after, format), deleteMessage(table, after, format)];
    const payloads = [xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 }), xlogData(relationOf(table)), ...messages.map(xlogData)];
    const [batch] = await lastValueFrom(from(changeBatches(payloads)).pipe(shardChanges(() => route), toArray()));
    const parts = Array.from({ length: move.shards }, (_, shard) => changesOfShard(batch!, shard));
    const actions = (change: number): (Action | undefined)[] => parts.map((part) => {
      const index = part.changes.subarray(0, part.count).indexOf(change);
      return index < 0 ? undefined : part.actions[index] as Action;
    });
    const { shards } = playCopy(move, table, [before], { format });
    deepStrictEqual(actions(0), shards.map((rows) => (rows.length > 0 ? Action.Upsert : undefined)), "the insert goes where the copy goes");
    deepStrictEqual(actions(1), expectedActions(table, route, move.shards, { before, after }), "the update reaches the row, and takes it where it goes");
    deepStrictEqual(actions(2), expectedActions(table, route, move.shards, { before: after }), "the delete reaches the row");
  });
}

/** What becomes of one row comes out in the order in which it came in, in whichever transaction. */
export function keyOrderKept(subject: Subject): Property {
  return fc.asyncProperty(arbitraryPlay(subject), async ({ move, history, cuts }) => {
    const batches = await completed(move, history, changeBatches(history.payloads, cuts));
    const changes = await operatedChanges(move, history, batches);
    const came = batches.flatMap((batch) => shownChanges(batch, (oid) => move.tables.find((table) => table.oid === oid)!));
    deepStrictEqual(changes.map(({ commitLsn }) => commitLsn), changes.map(({ commitLsn }) => commitLsn).sort((a, b) => Number(a - b)), "transactions come in their order");
    for (const table of move.tables) {
      const after = tableAfter(table, move);
      const newRows = (of: readonly ShownChange[]): TestRow[] => of.flatMap(({ oid, row }) => (oid === table.oid && row !== undefined && isWhole(row) ? [row] : []));
      const expected = await operatedRows(move, table, newRows(came), history.format);
      const out = newRows(changes);
      deepStrictEqual(byKey(after, out), byKey(after, expected));
    }
  });
}

/** Every batch of a copy and of a stream comes to every shard, in order, and its end is durable: an operator that drops or holds back a batch starves the source. */
export function noPositionLost(subject: Subject): Property {
  return fc.asyncProperty(arbitraryPlay(subject), arbitraryCopy(subject.tables), async ({ move, history, cuts, delays }, { table, rows, rowsPerBatch }) => {
    const copy = playCopy(move, table, rows, { format: history.format, rowsPerBatch, delays });
    expectArrived(copy.run, copy.batches, END_OF_COPY);
    const batches = await completed(move, history, changeBatches(history.payloads, cuts));
    const after = move.tables.map((each) => tableAfter(each, move));
    const stream = runInMemory({
      batches, delays, split: changesOfShard,
      operator: pipe(changeOperators(move, history.format), shardChanges(({ oid }) => move.routeOf(after.find((each) => each.oid === oid)!))),
      shards: Array.from({ length: move.shards }, () => () => undefined),
    });
    expectArrived(stream, batches.length, lastPosition(batches));
  });
}

function expectArrived({ handed, receipts, completed: ended }: MemoryRun, batches: number, durable: Lsn | undefined): void {
  ok(ended, "the source waits for ever for a receipt");
  for (const sequences of handed) deepStrictEqual(sequences, Array.from({ length: batches }, (_, sequence) => sequence));
  if (batches > 0) deepStrictEqual(receipts.at(-1)?.receipt, { taken: batches - 1, ...(durable === undefined ? {} : { durable }) });
}

/** Where batches are cut is a matter of the network: the same rows and changes come of them. */
export function commutesWithSplit(subject: Subject): Property {
  return fc.asyncProperty(arbitraryPlay(subject), sizes, sizes, async ({ move, history, cuts }, some, others) => {
    const of = async (places: ReadonlySet<number>): Promise<ShownChange[]> => await operatedChanges(move, history, await completed(move, history, changeBatches(history.payloads, places)));
    deepStrictEqual(await of(cuts), await of(new Set()));
    for (const table of move.tables) {
      const chain = move.chainOf(table);
      if (chain === undefined) continue;
      const after = tableAfter(table, move);
      const rows = [...(finalState(history).get(table.oid)?.values() ?? [])];
      const through = async (perBatch: readonly number[]): Promise<TestRow[]> => {
        const batches = await lastValueFrom(from(rowBatches(table, rows, { format: history.format, perBatch })).pipe(operateRows(chain, history.format), toArray()));
        return batches.flatMap((batch) => rowsOfBatch(after, batch, history.format));
      };
      deepStrictEqual(await through(some), await through(others));
    }
  });
}

/** Whatever was copied and whatever streamed, each shard has in the end its share of the source's last rows, as the operators make them. */
export function copyAgreesWithStream(subject: Subject): Property {
  return fc.asyncProperty(arbitraryPlay(subject), fc.nat(20), sizes, async ({ move, history, cuts, delays }, copied, rowsPerBatch) => {
    const { shards } = await playHistory({ ...move, history, cuts, delays, rowsPerBatch, copied: copied % (history.transactions.length + 1) });
    const expected = await expectedShards(move, finalState(history), history.format);
    deepStrictEqual(shards.map(shown), expected.map(shown));
  });
}

interface DrawnCopy {
  readonly table: TestTable;
  readonly rows: readonly TestRow[];
  readonly rowsPerBatch: readonly number[];
}

function arbitraryCopy(tables: readonly TestTable[]): fc.Arbitrary<DrawnCopy> {
  return fc.constantFrom(...tables).chain((table) => fc.record({ table: fc.constant(table), rows: arbitraryTestRows(table), rowsPerBatch: sizes }));
}

/** Rows to a batch. */
const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 5 });

async function operatedChanges(move: Move, history: History, batches: readonly ChangeBatch[]): Promise<ShownChange[]> {
  const after = new Map(move.tables.map((table) => [table.oid, tableAfter(table, move)]));
  const operated = await lastValueFrom(from(batches).pipe(changeOperators(move, history.format), toArray()));
  return operated.flatMap((batch) => shownChanges(batch, (oid) => after.get(oid)!));
}

function isWhole(row: readonly (string | null | undefined)[]): row is TestRow {
  return !row.includes(undefined);
}

function byKey(table: TestTable, rows: readonly TestRow[]): Map<string, TestRow[]> {
  const groups = new Map<string, TestRow[]>();
  for (const row of rows) groups.set(keyOf(table, row), [...(groups.get(keyOf(table, row)) ?? []), row]);
  return groups;
}
