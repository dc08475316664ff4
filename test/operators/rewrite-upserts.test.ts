import fc from "fast-check";
import { from, lastValueFrom, of, toArray } from "rxjs";
import { describe, expect, test } from "vitest";
import type { ApplyStep, RowSet, StepBatch } from "../../src/apply-step.js";
import { rewriteUpserts } from "../../src/operators/rewrite-upserts.js";
import { changesOfShard, shardChanges } from "../../src/operators/shard-changes.js";
import { stepGroups } from "../../src/sinks/apply-transaction.js";
import { changeBatches, deleteMessage, insertMessage, isKeyless, relationOf, type Row, type TableSpec, updateMessage, xlogData } from "../support/changes.js";
import { arbitraryHistory, finalState, type History, stateAt } from "../support/changes-history.js";
import { ShardModel, shown, valueAt } from "../support/changes-model.js";
import { finalShare, isAt, keyNames, routeOf, TABLES } from "../support/changes-tables.js";

/** The steps that one of `shards` shards runs, batch by batch. */
async function stepsOf(history: Pick<History, "payloads">, cuts: ReadonlySet<number>, shard: number, shards: number): Promise<StepBatch[]> {
  const batches = changeBatches(history.payloads, cuts);
  const sharded = await lastValueFrom(from(batches).pipe(shardChanges((relation) => routeOf(relation.oid, shards)), toArray()));
  return await lastValueFrom(from(sharded.map((batch) => changesOfShard(batch, shard))).pipe(rewriteUpserts(keyNames), toArray()));
}

/** For each batch the last transaction it holds something of. */
function lastTransactions(history: History, cut: ReadonlySet<number>): number[] {
  return history.transactionOf.filter((_, index) => cut.has(index) || index === history.payloads.length - 1);
}

const HISTORY = { tables: TABLES };

const cuts = fc.array(fc.nat(100), { maxLength: 20, size: "max" }).map((places) => new Set(places));

describe("a table's history, whatever its batches", () => {
  const modes: [string, (batch: StepBatch) => readonly ApplyStep[]][] = [["folded", (batch) => batch.steps], ["one by one", (batch) => batch.oneByOne()]];
  test.each(modes)("%s: after each batch that ends between transactions the shard is what the source was", async (_, steps) => {
    await fc.assert(
      fc.asyncProperty(arbitraryHistory(HISTORY), cuts, async (history, cut) => {
        const model = new ShardModel(TABLES);
        const last = lastTransactions(history, cut);
        for (const batch of await stepsOf(history, cut, 0, 1)) {
          for (const step of steps(batch)) {
            if (step.kind === "upsert" && step.before === "absent") expect(model.present(step.rows)).not.toContain(true);
            model.apply([step], () => history.transactions[last[batch.sequence]!]!.after);
          }
          if (batch.resume !== undefined) expect(shown(model.state)).toEqual(shown(stateAt(history, batch.resume)));
        }
        expect(shown(model.state)).toEqual(shown(finalState(history)));
      }),
      { numRuns: 400 },
    );
  });

  test("folded, no row has two steps, but for its deletion first, in a group of those that a shard runs at once", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryHistory({ tables: TABLES.filter((table) => !isKeyless(table)) }), async (history) => {
        for (const batch of await stepsOf(history, new Set(), 0, 1)) for (const group of stepGroups(batch.steps)) expectRowsOnce(group);
      }),
      { numRuns: 100 },
    );
  });

  test("a table that is defined anew parts its own steps, and not those of another", async () => {
    const other: TableSpec = { oid: 77, name: "other", columns: [{ name: "id", key: true }, { name: "doc", large: true }] };
    const table: TableSpec = { oid: 78, name: "changed", columns: [{ name: "id", key: true }] };
    const changed: TableSpec = { ...table, columns: [...table.columns, { name: "more" }] };
    const [batch] = changeBatches([
      xlogData({ kind: "begin", finalLsn: 1n, commitTime: 0n, xid: 1 }), xlogData(relationOf(other)), xlogData(relationOf(table)),
      xlogData(updateMessage(other, ["1", "Told"], ["1", "Told"])), xlogData(insertMessage(table, ["1"])), xlogData(relationOf(changed)), xlogData(insertMessage(changed, ["1", "x"])),
      xlogData(deleteMessage(other, ["1", "Told"])), xlogData(insertMessage(other, ["1", "new"])), xlogData({ kind: "commit", commitLsn: 1n, endLsn: 2n, commitTime: 0n }),
    ]);
    const sharded = await lastValueFrom(of(batch!).pipe(shardChanges(() => ({ kind: "omnisharded" }))));
    const { steps } = await lastValueFrom(of(changesOfShard(sharded, 0)).pipe(rewriteUpserts((relation) => relation.columns.filter(({ name }) => name === "id").map(({ name }) => name))));
    const groups = stepGroups(steps);
    expect(groups.map((group) => group.map((step) => (step.kind === "truncate" ? "" : `${step.kind} ${step.rows.relation.name} of ${step.rows.relation.columns.length}`)))).toEqual([["upsert changed of 1", "upsert other of 2"], ["upsert changed of 2"]]);
  });
});

/** A row may be deleted before another step puts it in again, and no more. */
function expectRowsOnce(group: readonly ApplyStep[]): void {
  const written = new Set<string>();
  const deleted = new Set<string>();
  for (const step of group) {
    if (step.kind === "truncate") continue;
    const { relation, count } = step.rows;
    for (let row = 0; row < count; row++) {
      const key = `${relation.oid} ${keyNames(relation).map((name) => valueAt(step.rows, row, relation.columns.findIndex((column) => column.name === name))).join()}`;
      expect(written.has(key)).toBe(false);
      const before = step.kind === "delete" ? deleted : written;
      expect(before.has(key)).toBe(false);
      before.add(key);
    }
  }
}

describe("split over shards", () => {
  test("each row ends on exactly the shard of its key, as the source has it, with unchanged values read from any later state of the source", async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryHistory(HISTORY),
        fc.integer({ min: 1, max: 4 }),
        cuts,
        fc.array(fc.nat(50), { minLength: 1, maxLength: 10 }),
        async (history, shards, cut, delays) => {
          for (let shard = 0; shard < shards; shard++) {
            for (const oneByOne of [false, true]) {
              const model = new ShardModel(TABLES);
              let reads = 0;
              let read = 0;
              const last = lastTransactions(history, cut);
              for (const batch of await stepsOf(history, cut, shard, shards)) {
                model.apply(oneByOne ? batch.oneByOne() : batch.steps, () => {
                  // The source has committed what it sent, and does not go back.
                  read = Math.max(read, Math.min(history.transactions.length - 1, last[batch.sequence]! + delays[reads++ % delays.length]!));
                  return history.transactions[read]!.after;
                }, isAt(shard, shards));
              }
              expect(shown(model.state)).toEqual(shown(finalShare(history, shard, shards)));
            }
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe("steps", () => {
  const table: TableSpec = { oid: 1, name: "orders", columns: [{ name: "id", key: true }, { name: "a" }, { name: "doc", large: true }, { name: "note", large: true }] };
  const start = [xlogData(relationOf(table)), xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 })];
  const insert = (row: Row): Buffer => xlogData(insertMessage(table, row));
  const update = (before: Row, after: Row): Buffer => xlogData(updateMessage(table, before, after));

  async function steps(...payloads: Buffer[]): Promise<string[]> {
    const [batch] = await stepsOf({ payloads: [...start, ...payloads] }, new Set(), 0, 1);
    return batch!.steps.map((step) => (step.kind === "truncate" ? "truncate" : `${step.kind} ${rowsShown(step.rows)}${step.kind === "update" ? ` set ${step.columns.join()}${step.arriving ? " arriving" : ""}` : ""}`));
  }
  function rowsShown(rows: RowSet): string {
    return Array.from({ length: rows.count }, (_, row) => rows.relation.columns.map((__, column) => {
      const value = valueAt(rows, row, column);
      return value === undefined ? "-" : (value ?? "null");
    }).join(" ")).join("; ");
  }

  test("the picture of the documentation", async () => {
    expect(await steps(
      insert(["1", "a", "s", "s"]), insert(["2", "a", "s", "s"]), update(["1", "a", "s", "s"], ["1", "b", "s", "s"]),
      xlogData(deleteMessage(table, ["2", "a", "s", "s"])), update(["3", "a", "T1", "s"], ["3", "c", "T1", "s"]),
    )).toEqual(["delete 2 - - -", "upsert 1 b s s", "update 3 c - s set 0,1,3"]);
  });

  test("rows that carry different columns are set by statements of their own", async () => {
    expect(await steps(
      update(["1", "a", "T1", "T2"], ["1", "b", "T1", "T2"]), update(["2", "a", "T1", "s"], ["2", "b", "T1", "s"]), update(["3", "a", "T1", "T2"], ["3", "c", "T1", "T2"]),
    )).toEqual(["update 1 b - -; 3 c - - set 0,1", "update 2 b - s set 0,1,3"]);
  });

  test("unchanged values are taken from the row that the batch itself has put in", async () => {
    expect(await steps(insert(["1", "a", "T1", "T2"]), update(["1", "a", "T1", "T2"], ["9", "a", "T1", "T3"]))).toEqual(["delete 1 - - -", "upsert 9 a T1 T3"]);
  });

  test("a row that gets a new key is looked up for what the change does not carry", async () => {
    expect(await steps(update(["1", "a", "T1", "T2"], ["9", "a", "T1", "T3"]))).toEqual(["delete 1 - - -", "update 9 a - T3 set 0,1,3 arriving"]);
  });

  test("a row that is on every shard and gets a new key is looked up too: what is here may be what was looked up when it entered a row filter", async () => {
    const everywhere: TableSpec = TABLES.find(({ name }) => name === "everywhere")!;
    const payloads = [...start, xlogData(relationOf(everywhere)), xlogData(updateMessage(everywhere, ["1", "T1"], ["9", "T1"]))];
    const [batch] = await stepsOf({ payloads }, new Set(), 1, 2);
    expect(batch!.steps).toMatchObject([{ kind: "delete" }, { kind: "update", columns: [0], arriving: true }]);
  });

  test("a row that enters a row filter is new without its unchanged values", async () => {
    const entering = (row: Row, ...unchanged: number[]): Buffer => {
      const message = insertMessage(table, row);
      if (message.kind !== "insert") throw new Error(message.kind);
      return xlogData({ ...message, newTuple: message.newTuple.map((value, column) => (unchanged.includes(column) ? { kind: "unchanged" } : value)) });
    };
    expect(await steps(entering(["1", "a", "T1", "T2"], 2, 3))).toEqual(["update 1 a - - set 0,1 arriving"]);
    expect(await steps(insert(["1", "a", "T1", "T2"]), xlogData(deleteMessage(table, ["1", "a", "T1", "T2"])), entering(["1", "b", "T1", "T2"], 2))).toEqual(["delete 1 b - T2", "update 1 b - T2 set 0,1,3 arriving"]);
    expect(await steps(entering(["1", "a", "T1", "T2"], 2), update(["1", "a", "T1", "T2"], ["1", "b", "T3", "T2"]))).toEqual(["update 1 b T3 T2 set 0,1,2,3 arriving"]);
    expect(await steps(entering(["1", "a", "T1", "T2"], 2), xlogData(deleteMessage(table, ["1", "a", "T1", "T2"])))).toEqual(["delete 1 - - -"]);
  });

  test("what an old row holds need not be looked up", async () => {
    const full: TableSpec = { ...table, full: true };
    const [batch] = await stepsOf({ payloads: [start[1]!, xlogData(relationOf(full)), xlogData(updateMessage(full, ["1", "a", "T1", "T2"], ["9", "a", "T1", "T3"]))] }, new Set(), 0, 1);
    expect(batch!.steps.map(({ kind }) => kind)).toEqual(["delete", "upsert"]);
  });

  test("a row that may be on any shard is looked up by its new key on each", async () => {
    const drifted: TableSpec = TABLES.find(({ name }) => name === "drifted")!;
    const payloads = [...start, xlogData(relationOf(drifted)), xlogData(updateMessage(drifted, ["1", "T1", "s"], ["9", "T1", "t"]))];
    const [batch] = await stepsOf({ payloads }, new Set(), 1, 2);
    expect(batch!.steps).toMatchObject([{ kind: "delete" }, { kind: "update", columns: [0, 2], arriving: true }]);
  });

  test("an empty part goes through with its sequence and position", async () => {
    const batch = { ...changeBatches([xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 }), xlogData({ kind: "commit", commitLsn: 10n, endLsn: 20n, commitTime: 0n })])[0]!, sequence: 7 };
    const part = { sequence: 7, bytes: batch.bytes, resume: 20n, batch, count: 0, changes: new Uint32Array(0), actions: new Uint8Array(0) };
    const rewritten = await lastValueFrom(of(part).pipe(rewriteUpserts(keyNames)));
    expect(rewritten).toMatchObject({ sequence: 7, bytes: batch.bytes, resume: 20n, steps: [], relations: [] });
    expect(rewritten.oneByOne()).toEqual([]);
  });
});
