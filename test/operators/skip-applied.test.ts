import fc from "fast-check";
import { from, lastValueFrom, of, toArray } from "rxjs";
import { describe, expect, test } from "vitest";
import { rewriteUpserts } from "../../src/operators/rewrite-upserts.js";
import { changesOfShard, shardChanges } from "../../src/operators/shard-changes.js";
import { skipApplied, type ShardPosition } from "../../src/operators/skip-applied.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { changeBatches, insertMessage, relationOf, xlogData } from "../support/changes.js";
import { arbitraryHistory, finalState, type History, type State, stateAt } from "../support/changes-history.js";
import { ShardModel, shown } from "../support/changes-model.js";
import { finalShare, isAt, keyNames, routeOf, shareOf, TABLES } from "../support/changes-tables.js";

const HISTORY = { tables: TABLES };

/** Any position between two transactions, or before and after them all. */
function positionIn(history: History, number: number): Lsn {
  return [1n, ...history.transactions.map(({ endLsn }) => endLsn)][number % (history.transactions.length + 1)]!;
}

/** The payloads that a slot sends from a position: whole transactions, tables described anew. */
function payloadsFrom(history: History, position: Lsn): { payloads: Buffer[]; first: number } {
  const first = history.transactions.filter(({ commitLsn }) => commitLsn < position).length;
  const described = TABLES.map((table) => xlogData(relationOf(table)));
  return { payloads: [...described, ...history.payloads.filter((_, index) => history.transactionOf[index]! >= first)], first };
}

/** One run against a shard: replays from `slot`, up to batch `until`. Returns what progress says then, and the last receipt. */
async function runOnce(history: History, model: ShardModel, run: { shard: number; shards: number; slot: Lsn; position: ShardPosition; cut: ReadonlySet<number>; until: number }): Promise<{ applied: Lsn; durable: Lsn }> {
  const { payloads } = payloadsFrom(history, run.slot);
  const batches = await lastValueFrom(
    from(changeBatches(payloads, run.cut)).pipe(shardChanges((relation) => routeOf(relation.oid, run.shards)), toArray()),
  );
  const steps = await lastValueFrom(from(batches.map((batch) => changesOfShard(batch, run.shard))).pipe(skipApplied(run.position), rewriteUpserts(keyNames), toArray()));
  let { applied } = run.position;
  let durable = 0n;
  let open = model.copy();
  let changed = false;
  for (const batch of steps.slice(0, run.until)) {
    open.apply(batch.steps, () => finalState(history), isAt(run.shard, run.shards));
    changed ||= batch.relations.length > 0;
    if (batch.resume === undefined) continue;
    // COMMIT; what comes behind it without one is lost when the run ends.
    model.replace(open.state);
    open = model.copy();
    durable = batch.resume;
    if (changed) applied = batch.resume;
    changed = false;
  }
  return { applied, durable };
}

describe("a shard that starts again and again", () => {
  test("ends as the source, wherever its tables' snapshots, its runs' ends and the slot lie", async () => {
    const run = fc.record({ slot: fc.nat(100), cut: fc.array(fc.nat(60), { maxLength: 15 }).map((places) => new Set(places)), until: fc.nat(12) });
    await fc.assert(
      fc.asyncProperty(
        arbitraryHistory(HISTORY), fc.array(fc.nat(100), { minLength: TABLES.length, maxLength: TABLES.length }), fc.array(run, { maxLength: 4 }), fc.integer({ min: 1, max: 3 }),
        async (history, snapshots, runs, shards) => {
          const positions = new Map(TABLES.map(({ oid }, index) => [oid, positionIn(history, snapshots[index]!)]));
          const copied: State = new Map(TABLES.map(({ oid }) => [oid, stateAt(history, positions.get(oid)!).get(oid) ?? new Map<string, never>()]));
          for (let shard = 0; shard < shards; shard++) {
            const model = new ShardModel(TABLES, shareOf(copied, shard, shards));
            let applied = 0n;
            // The slot was there before the first copy, and is acknowledged no further than this shard's receipts.
            let acknowledged = [...positions.values()].reduce((a, b) => (a < b ? a : b));
            // The last run goes on to the end.
            for (const { slot, cut, until } of [...runs, { slot: 0, cut: new Set<number>(), until: Infinity }]) {
              const start = positionIn(history, slot);
              const ended = await runOnce(history, model, {
                shard, shards, cut, until, slot: start < acknowledged ? start : acknowledged,
                position: { applied, snapshotOf: (relation) => positions.get(relation.oid)! },
              });
              applied = ended.applied;
              if (ended.durable > acknowledged) acknowledged = ended.durable;
            }
            expect(shown(model.state)).toEqual(shown(finalShare(history, shard, shards)));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("what is left out", () => {
  test("exactly the changes of transactions that committed before what the shard has", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryHistory(HISTORY), fc.bigInt(990n, 3000n), fc.array(fc.bigInt(990n, 3000n), { minLength: TABLES.length, maxLength: TABLES.length }), async (history, applied, snapshots) => {
        const position = { applied, snapshotOf: ({ oid }: { oid: number }) => snapshots[oid - 1]! };
        for (const batch of changeBatches(history.payloads)) {
          const every = { sequence: batch.sequence, bytes: batch.bytes, batch, count: batch.count, changes: Uint32Array.from({ length: batch.count }, (_, index) => index), actions: new Uint8Array(batch.count) };
          const kept = await lastValueFrom(of(every).pipe(skipApplied(position)));
          const expected = [...every.changes].filter((change) => {
            const { commitLsn } = batch.transactions[batch.transactionOf[change]!]!;
            return commitLsn >= applied && commitLsn >= snapshots[batch.relations[batch.relationOf[change]!]!.oid - 1]!;
          });
          expect([...kept.changes.subarray(0, kept.count)]).toEqual(expected);
        }
      }),
    );
  });

  test("the transaction exactly at a position is not held yet, and a batch without changes keeps its position", async () => {
    const table = TABLES[0]!;
    const payloads = [10n, 30n].flatMap((commitLsn) => [
      xlogData({ kind: "begin", finalLsn: commitLsn, commitTime: 0n, xid: 1 }), xlogData(relationOf(table)),
      xlogData(insertMessage(table, [`k${commitLsn}`, null, "s", "s"])), xlogData({ kind: "commit", commitLsn, endLsn: commitLsn + 5n, commitTime: 0n }),
    ]);
    const [batch] = changeBatches(payloads);
    const part = { sequence: 4, bytes: 9, resume: 35n, batch: batch!, count: 2, changes: Uint32Array.of(0, 1), actions: Uint8Array.of(0, 0) };
    const kept = async (applied: Lsn, snapshot: Lsn): Promise<number[]> => {
      const left = await lastValueFrom(of(part).pipe(skipApplied({ applied, snapshotOf: () => snapshot })));
      expect(left).toMatchObject({ sequence: 4, bytes: 9, resume: 35n });
      return [...left.changes.subarray(0, left.count)];
    };
    expect(await kept(0n, 0n)).toEqual([0, 1]);
    expect(await kept(10n, 10n)).toEqual([0, 1]);
    expect(await kept(11n, 0n)).toEqual([1]);
    expect(await kept(30n, 0n)).toEqual([1]);
    expect(await kept(0n, 30n)).toEqual([1]);
    expect(await kept(31n, 0n)).toEqual([]);
    expect(await kept(15n, 31n)).toEqual([]);
  });
});
