import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { from, lastValueFrom, pipe, toArray } from "rxjs";
import { operateRows } from "../operators/operate-rows.js";
import { changesOfShard, shardChanges } from "../operators/shard-changes.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { ChangeBatch } from "../change-batch.js";
import { EVERY_SHARD, type TableRoute, UNKNOWN_SHARD } from "../sharding/table-route.js";
import { arbitraryHistory } from "./arbitrary-history.js";
import { arbitraryTestRows } from "./arbitrary-values.js";
import { changeBatches, deleteMessage, insertMessage, updateMessage, xlogData } from "./change-batches.js";
import { finalState, type History } from "./history.js";
import { shown } from "./memory-shard.js";
import { changeOperators, completed, copiedRows, expectedShards, homeOf, lastPosition, type Move, operatedRows, playHistory, tableAfter } from "./play-history.js";
import { rowBatches, rowsOfBatch } from "./row-batches.js";
import { runInMemory } from "./run-in-memory.js";
import { shownChanges, type ShownChange } from "./shown-changes.js";
import { hasBinaryForm, keyOf, type TestRow } from "./test-rows.js";
import { chainOf, type TestOperator } from "./test-operators.js";
import { relationOf, type TestTable } from "./test-table.js";

/** What a property is about. */
export interface Subject {
  readonly tables: readonly TestTable[];
  /** What all the tables' rows pass; none where absent. */
  readonly operators?: readonly TestOperator[];
  /** Where rows go, as operators have left them; to every shard where absent. */
  readonly routeOf?: (table: TestTable, shards: number) => TableRoute;
  /** How many there may be; 1 to 3 where absent. */
  readonly shards?: { readonly min: number; readonly max: number };
  /** What values are sent in; where absent binary and text, or text alone where a type has no binary form here. */
  readonly formats?: readonly ValueFormat[];
}

/** For `fc.assert`. */
export type Property = fc.IAsyncProperty<unknown>;

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
  return fc.asyncProperty(arbitraryMove(subject).chain((drawn) => fc.tuple(fc.constant(drawn), fc.constantFrom(...subject.tables).chain((table) => fc.tuple(fc.constant(table), arbitraryTestRows(table))), sizes)), async ([{ move, format }, [table, rows], perBatch]) => {
    const after = tableAfter(table, move);
    const homes = (await operatedRows(move, table, rows, format)).map((row) => ({ row, home: homeOf(after, row, move.routeOf(after)) }));
    for (const { home } of homes) ok(home === EVERY_SHARD || (home >= 0 && home < move.shards), `there is no shard ${home} among ${move.shards}`);
    const shards = await copiedRows(move, table, rows, format, perBatch);
    deepStrictEqual(shards, shards.map((_, shard) => homes.filter(({ home }) => home === shard || home === EVERY_SHARD).map(({ row }) => row)));
  });
}

/** A row's insert goes where its copy goes; its update and its delete reach it there. Operators have no part in it. */
export function routingStable(subject: Subject): Property {
  const tables = subject.tables.map((table) => tableAfter(table, { chainOf: (each) => chainOf(each, subject.operators ?? []) }));
  const drawn = fc.constantFrom(...tables).chain((table) => fc.tuple(fc.constant(table), arbitraryTestRows(table, { maxLength: 2 }).filter(({ length }) => length === 2), fc.array(fc.boolean(), { minLength: table.columns.length, maxLength: table.columns.length })));
  return fc.asyncProperty(arbitraryMove({ ...subject, operators: [], tables }), drawn, async ({ move, format }, [table, [before, other], changed]) => {
    const after = before!.map((value, place) => (changed[place]! ? other![place]! : value));
    const route = move.routeOf(table);
    const messages = [insertMessage(table, before!, format), updateMessage(table, before!, after, format), deleteMessage(table, after, format)];
    const payloads = [xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 }), xlogData(relationOf(table)), ...messages.map(xlogData)];
    const [batch] = await lastValueFrom(from(changeBatches(payloads)).pipe(shardChanges(() => route), toArray()));
    const [home, later] = await Promise.all([before!, after].map(async (row) => {
      const shards = await copiedRows(move, table, [row], format);
      return shards.flatMap((rows, shard) => (rows.length > 0 ? [shard] : []));
    }));
    const reached = (shard: number): number[] => (shard === EVERY_SHARD || shard === UNKNOWN_SHARD ? Array.from({ length: move.shards }, (_, number) => number) : [shard]);
    deepStrictEqual(reached(batch!.newShards[0]!), home, "the insert goes where the copy goes");
    if (batch!.newShards[1] === UNKNOWN_SHARD) deepStrictEqual(home, later, "a row whose key is not sent stays where it is");
    else deepStrictEqual(reached(batch!.newShards[1]!), later, "the updated row goes where its copy goes");
    for (const shard of home!) ok(reached(batch!.oldShards[1]!).includes(shard), "the update reaches the row");
    for (const shard of later!) ok(reached(batch!.oldShards[2]!).includes(shard), "the delete reaches the row");
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

/** Every batch comes to every shard, in order, and the end of the stream is durable: an operator that drops or holds back a batch starves the source. */
export function noPositionLost(subject: Subject): Property {
  return fc.asyncProperty(arbitraryPlay(subject), async ({ move, history, cuts, delays }) => {
    const batches = await completed(move, history, changeBatches(history.payloads, cuts));
    const after = move.tables.map((table) => tableAfter(table, move));
    const { handed, receipts, completed: ended } = runInMemory({
      batches, delays, split: changesOfShard,
      operator: pipe(changeOperators(move, history.format), shardChanges(({ oid }) => move.routeOf(after.find((table) => table.oid === oid)!))),
      shards: Array.from({ length: move.shards }, () => () => undefined),
    });
    ok(ended, "the source waits for ever for a receipt");
    for (const sequences of handed) deepStrictEqual(sequences, batches.map(({ sequence }) => sequence));
    const last = receipts.at(-1)?.receipt;
    if (batches.length > 0) deepStrictEqual(last, { taken: batches.length - 1, ...(lastPosition(batches) === undefined ? {} : { durable: lastPosition(batches) }) });
  });
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

interface Drawn {
  readonly move: Move;
  readonly format: ValueFormat;
}

function arbitraryMove({ tables, operators = [], routeOf = () => ({ kind: "omnisharded" }), shards: number = { min: 1, max: 3 }, formats = formatsOf(tables) }: Subject): fc.Arbitrary<Drawn> {
  return fc.record({ shards: fc.integer(number), format: fc.constantFrom(...formats) }).map(({ shards, format }) => ({
    format,
    move: { tables, shards, chainOf: (table) => chainOf(table, operators), routeOf: (table) => routeOf(table, shards) },
  }));
}

interface DrawnPlay {
  readonly move: Move;
  readonly history: History;
  readonly cuts: ReadonlySet<number>;
  readonly delays: readonly number[];
}

function arbitraryPlay(subject: Subject): fc.Arbitrary<DrawnPlay> {
  return arbitraryMove(subject).chain(({ move, format }) => fc.record({
    move: fc.constant(move),
    history: arbitraryHistory(subject.tables, { format }),
    cuts: fc.array(fc.nat(100), { maxLength: 20, size: "max" }).map((places) => new Set(places)),
    delays: fc.array(fc.nat(50), { minLength: 1, maxLength: 5 }),
  }).map((drawn) => ({ ...drawn, move: { ...move, tables: drawn.history.tables } })));
}

/** Rows to a batch. */
const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 5 });

/** Values of a type that is not known cannot be written in binary. */
function formatsOf(tables: readonly TestTable[]): readonly ValueFormat[] {
  return tables.every(({ columns }) => columns.every(hasBinaryForm)) ? ["binary", "text"] : ["text"];
}

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
