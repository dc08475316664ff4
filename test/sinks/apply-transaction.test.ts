import { describe, expect, test } from "vitest";
import type { ApplyStep, RowSet, StepBatch } from "../../src/apply-step.js";
import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import { type ApplyCommand, ApplyTransaction, type CommandAnswer, stepGroups } from "../../src/sinks/apply-transaction.js";
import { relationOf } from "../support/changes.js";

const a = relationOf({ oid: 1, name: "a", columns: [{ name: "id", key: true }] });
const b = relationOf({ oid: 2, name: "b", columns: [{ name: "id", key: true }] });

function rows(relation: PgoutputRelation): RowSet {
  return { relation, buffer: Buffer.alloc(0), count: 0, offsets: new Int32Array(0) };
}
const upsert = (relation: PgoutputRelation): ApplyStep => ({ kind: "upsert", rows: rows(relation), before: "unknown" });
const remove = (relation: PgoutputRelation): ApplyStep => ({ kind: "delete", rows: rows(relation) });
const truncate: ApplyStep = { kind: "truncate", relations: [a], cascade: false, restartIdentity: false };

function batch(sequence: number, steps: readonly ApplyStep[], resume?: bigint): StepBatch {
  return { sequence, bytes: 1, ...(resume === undefined ? {} : { resume }), steps, transactions: [], relations: steps.length > 0 ? [a] : [], oneByOne: () => [...steps, ...steps] };
}

/** The commands in short, and the receipt. */
function commandsOf(transaction: ApplyTransaction, of: StepBatch, { answers = [], more = false }: { readonly answers?: readonly CommandAnswer[]; readonly more?: boolean } = {}): unknown[] {
  const shown = (command: ApplyCommand): string => {
    switch (command.kind) {
      case "apply":
        return `${command.begin ? "begin, " : ""}${command.assumeNew ? "apply" : "apply with care"} ${command.groups.flat().length}`;
      case "apply-one-by-one":
        return `one by one ${command.steps.length}`;
      case "commit":
        return `commit ${command.applied}${command.onDisk ? "" : " in memory"}`;
      case "note":
        return `note ${command.applied}`;
    }
  };
  const commands = transaction.commandsOf(of, more);
  const all: unknown[] = [];
  let next = commands.next("done");
  while (next.done !== true) {
    all.push(shown(next.value));
    next = commands.next(answers[all.length - 1] ?? "done");
  }
  return [...all, next.value];
}

describe("a shard's transactions", () => {
  test("a batch that ends between transactions commits with its progress", () => {
    expect(commandsOf(new ApplyTransaction(), batch(0, [upsert(a)], 10n))).toEqual(["begin, apply 1", "commit 10", { taken: 0, durable: 10n }]);
  });

  test("pieces of a larger transaction are taken, and commit with the last", () => {
    const transaction = new ApplyTransaction();
    expect(commandsOf(transaction, batch(0, [upsert(a)]))).toEqual(["begin, apply 1", { taken: 0 }]);
    expect(commandsOf(transaction, batch(1, []))).toEqual([{ taken: 1 }]);
    expect(commandsOf(transaction, batch(2, [upsert(a)]))).toEqual(["apply 1", { taken: 2 }]);
    expect(commandsOf(transaction, batch(3, [], 10n))).toEqual(["commit 10", { taken: 3, durable: 10n }]);
    expect(commandsOf(transaction, batch(4, [upsert(a)], 20n))).toEqual(["begin, apply 1", "commit 20", { taken: 4, durable: 20n }]);
  });

  test("without changes everything is durable at once", () => {
    expect(commandsOf(new ApplyTransaction(), batch(0, [], 10n))).toEqual([{ taken: 0, durable: 10n }]);
  });

  test("after a conflict the changes go with care in the same transaction, after another one by one", () => {
    const rest = ["commit 10", { taken: 0, durable: 10n }];
    expect(commandsOf(new ApplyTransaction(), batch(0, [upsert(a)], 10n), { answers: ["conflict"] })).toEqual(["begin, apply 1", "apply with care 1", ...rest]);
    expect(commandsOf(new ApplyTransaction(), batch(0, [upsert(a)], 10n), { answers: ["conflict", "conflict"] })).toEqual(["begin, apply 1", "apply with care 1", "one by one 2", ...rest]);
  });

  test("while more waits, commits are not waited for on disk, and are durable with one that is", () => {
    const transaction = new ApplyTransaction();
    for (let sequence = 0; sequence < 4; sequence++) {
      expect(commandsOf(transaction, batch(sequence, [upsert(a)], BigInt(sequence)), { more: true })).toEqual(["begin, apply 1", `commit ${sequence} in memory`, { taken: sequence }]);
    }
    expect(commandsOf(transaction, batch(4, [upsert(a)], 4n), { more: true })).toEqual(["begin, apply 1", "commit 4", { taken: 4, durable: 4n }]);
    expect(commandsOf(transaction, batch(5, [upsert(a)], 5n), { more: true })).toEqual(["begin, apply 1", "commit 5 in memory", { taken: 5 }]);
    expect(commandsOf(transaction, batch(6, [], 6n), { more: true })).toEqual([{ taken: 6 }]);
    expect(commandsOf(transaction, batch(7, [], 7n))).toEqual(["note 7", { taken: 7, durable: 7n }]);
    expect(commandsOf(transaction, batch(8, [], 8n))).toEqual([{ taken: 8, durable: 8n }]);
  });
});

describe("steps sent at once", () => {
  test("truncates go alone", () => {
    const [first, second, third] = [upsert(a), remove(b), upsert(b)];
    expect(stepGroups([first, second, truncate, third, truncate])).toEqual([[first, second], [truncate], [third], [truncate]]);
    expect(stepGroups([truncate, truncate])).toEqual([[truncate], [truncate]]);
  });

  test("a table's new definition begins a group", () => {
    const again: PgoutputRelation = { ...a };
    const steps = [upsert(a), upsert(b), upsert(again), remove(b), upsert(again)];
    expect(stepGroups(steps)).toEqual([steps.slice(0, 2), steps.slice(2)]);
  });
});
