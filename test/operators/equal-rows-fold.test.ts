import fc from "fast-check";
import { from, lastValueFrom, toArray } from "rxjs";
import { describe, expect, test } from "vitest";
import type { ApplyStep, RowSet, StepBatch } from "../../src/apply-step.js";
import { rewriteUpserts } from "../../src/operators/rewrite-upserts.js";
import { changesOfShard, shardChanges } from "../../src/operators/shard-changes.js";
import { changeBatches, deleteMessage, insertMessage, relationOf, type Row, type TableSpec, updateMessage, xlogData } from "../support/changes.js";
import { valueAt } from "../support/changes-model.js";
import type { WholeMessage } from "../support/pgoutput.js";

const table: TableSpec = { oid: 1, name: "lines", full: true, columns: [{ name: "a" }, { name: "doc", large: true }] };
const start = [xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 })];
const end = xlogData({ kind: "commit", commitLsn: 10n, endLsn: 20n, commitTime: 0n });

async function batchOf(messages: readonly WholeMessage[], spec = table): Promise<StepBatch> {
  const batches = changeBatches([...start, xlogData(relationOf(spec)), ...messages.map(xlogData), end]);
  const sharded = await lastValueFrom(from(batches).pipe(shardChanges(() => ({ kind: "omnisharded" })), toArray()));
  const [batch] = await lastValueFrom(from(sharded.map((part) => changesOfShard(part, 0))).pipe(rewriteUpserts(() => []), toArray()));
  return batch!;
}

function rowsOf(rows: RowSet): Row[] {
  return Array.from({ length: rows.count }, (_, row) => rows.relation.columns.map((__, column) => valueAt(rows, row, column)!));
}

/** `from > to` for each row that a step names. */
function shown(steps: readonly ApplyStep[]): string[] {
  const text = (row: Row): string => row.map((value) => value ?? "null").join(" ");
  return steps.map((step) => {
    switch (step.kind) {
      case "insert":
      case "delete-equal":
        return `${step.kind}: ${rowsOf(step.rows).map(text).join("; ")}`;
      case "update-equal": {
        const after = rowsOf(step.rows).map(text);
        return `${step.kind} ${step.columns.join()}: ${rowsOf(step.oldRows).map((row, index) => `${text(row)} > ${after[index]!}`).join("; ")}`;
      }
      default:
        return step.kind;
    }
  });
}

const insert = (row: Row): WholeMessage => insertMessage(table, row);
const update = (before: Row, after: Row): WholeMessage => updateMessage(table, before, after);
const remove = (row: Row): WholeMessage => deleteMessage(table, row);
const a: Row = ["a", "x"];
const b: Row = ["b", "x"];

describe("case 4: changes of a table without key", () => {
  test.each<[string, readonly WholeMessage[], readonly string[]]>([
    ["equal rows are counted", [insert(a), insert(a), remove(b), remove(b), remove(b)], ["delete-equal: b x; b x; b x", "insert: a x; a x"]],
    ["a row that changes twice is changed once", [update(a, b), update(b, ["c", "x"])], ["update-equal 0: a x > c x"]],
    ["a row that is changed back is left alone", [update(a, b), update(b, a)], []],
    ["a row of the batch's own is put in as it ends", [insert(a), update(a, b)], ["insert: b x"]],
    ["a row of the batch's own that goes again never was", [insert(a), update(a, b), remove(b)], []],
    ["two rows become equal, one of them goes", [update(a, b), remove(b), remove(b)], ["delete-equal: a x; b x"]],
    ["null is a value", [update([null, null], [null, "x"]), remove([null, null])], ["delete-equal: null null", "update-equal 1: null null > null x"]],
    ["what the change does not carry is the old row's", [update(["a", "T1"], ["b", "T1"])], ["update-equal 0: a T1 > b T1"]],
  ])("%s", async (_, messages, expected) => {
    expect(shown((await batchOf(messages)).steps)).toEqual(expected);
  });

  test("the batch tells of its changes even where nothing is left of them", async () => {
    expect(await batchOf([insert(a), remove(a)])).toMatchObject({ steps: [], relations: [{ name: "lines" }] });
  });

  test("without old rows none can be named", async () => {
    const lost: TableSpec = { oid: 1, name: "lines", columns: [{ name: "a" }, { name: "doc" }] };
    await expect(batchOf([updateMessage(lost, a, b)], lost)).rejects.toMatchObject({ code: "REPLICA_IDENTITY_CHANGED", place: { table: "lines" } });
    await expect(batchOf([deleteMessage(lost, a)], lost)).rejects.toMatchObject({ code: "REPLICA_IDENTITY_CHANGED" });
    expect(shown((await batchOf([insertMessage(lost, a)], lost)).steps)).toEqual(["insert: a x"]);
  });

  test("of any history what is removed was there before, and what is left is what the source has", async () => {
    const value = fc.constantFrom(null, "s", "T", "t");
    const row: fc.Arbitrary<Row> = fc.tuple(fc.constantFrom(null, "a", "b"), value);
    const commands = fc.array(fc.tuple(fc.constantFrom("insert", "update", "update", "delete"), fc.nat(20), row), { maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 10 }), commands, async (before, changes) => {
        const source: Row[] = [...before];
        const messages = changes.flatMap(([does, place, changed]) => {
          if (does === "insert") return [insert(source[source.push(changed) - 1]!)];
          if (source.length === 0) return [];
          const [old] = source.splice(place % source.length, 1);
          if (does === "delete") return [remove(old!)];
          source.push(changed);
          return [update(old!, changed)];
        });
        const batch = await batchOf(messages);
        for (const steps of [batch.steps, batch.oneByOne()]) {
          const shard = [...before];
          const take = (rows: RowSet): void => {
            for (const row of rowsOf(rows)) {
              const place = shard.findIndex((other) => JSON.stringify(other) === JSON.stringify(row));
              expect(place).toBeGreaterThanOrEqual(0);
              shard.splice(place, 1);
            }
          };
          for (const step of steps) {
            if (step.kind === "delete-equal") take(step.rows);
            else if (step.kind === "update-equal") {
              take(step.oldRows);
              shard.push(...rowsOf(step.rows));
            } else if (step.kind === "insert") shard.push(...rowsOf(step.rows));
            else expect.fail(step.kind);
          }
          expect(shard.map((row) => JSON.stringify(row)).sort()).toEqual(source.map((row) => JSON.stringify(row)).sort());
        }
        // Folded, each row is named once: all that is removed and changed was there at once.
        expect(batch.steps.map(({ kind }) => kind)).toEqual(["delete-equal", "update-equal", "insert"].filter((kind) => batch.steps.some((step) => step.kind === kind)));
      }),
      { numRuns: 300 },
    );
  });
});
