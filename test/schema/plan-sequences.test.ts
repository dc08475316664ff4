import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ShardingRules } from "../../src/config/types.js";
import type { Sequence, SequenceColumn } from "../../src/postgres/sequences.js";
import { isKeyDefault, isPlainDefault, KEY_FUNCTION_BODY, keyDefault, plainDefault, withPlainDefaults } from "../../src/schema/key-function.js";
import { planSequences, type SequenceFacts, type SequencesPlan } from "../../src/schema/plan-sequences.js";
import { nextNumber, sourceSequence } from "../../src/schema/sequence-move.js";
import { hashed } from "../support/pipeline.js";
import { appliedMove, drawNumbers, sequence } from "./sequence-model.js";

const NO_RULES: ShardingRules = { tables: [], schemas: [], omnisharded: [] };
const ID = '"public"."s"';

function planFor(facts: Partial<SequenceFacts> & Pick<SequenceFacts, "sources">, shards: readonly Sequence[], columns: readonly SequenceColumn[] = []): SequencesPlan {
  return planSequences({ sharding: NO_RULES, strategy: "sharded", ...facts, shards: shards.map((one) => ({ sequences: [one], columns, keyFunction: undefined })) });
}

function afterwards(plan: SequencesPlan, shards: readonly Sequence[]): Sequence[] {
  return shards.map((one, shard) => appliedMove(one, plan.shards[shard]!.moves.get(ID)!));
}

/** A sequence of any definition, and where its copies on the source's shards and the destination's stand. */
const scene = fc
  .record({
    ascending: fc.boolean(),
    step: fc.bigInt({ min: 1n, max: 6n }),
    base: fc.bigInt({ min: -50n, max: 50n }),
    size: fc.oneof(fc.bigInt({ min: 0n, max: 300n }), fc.bigInt({ min: 1_000n, max: 1_000_000n })),
    from: fc.bigInt({ min: 0n, max: 300n }),
    cycle: fc.boolean(),
    margin: fc.bigInt({ min: 0n, max: 30n }),
    strategy: fc.constantFrom("sharded", "interleaved", "same"),
    sources: fc.array(fc.record({ at: fc.bigInt({ min: 0n, max: 400n }), called: fc.boolean() }), { minLength: 1, maxLength: 3 }),
    shards: fc.array(fc.option(fc.record({ at: fc.bigInt({ min: 0n, max: 1_000n }), called: fc.boolean() }), { nil: undefined }), { minLength: 1, maxLength: 6 }),
    draws: fc.array(fc.nat({ max: 5 }), { minLength: 6, maxLength: 6 }),
    later: fc.bigInt({ min: 0n, max: 200n }),
  })
  .map(({ ascending, step, base, size, from, cycle, margin, strategy, sources, shards, draws, later }) => {
    const sign = ascending ? 1n : -1n;
    const [low, high] = ascending ? [base, base + size] : [-base - size, -base];
    const within = (offset: bigint): bigint => sign * (base + (offset > size ? size : offset));
    const defined = sequence({ increment: sign * step, minimum: low, maximum: high, start: within(from), cycle, lastValue: within(from) });
    return {
      sign, margin, strategy, draws, later, cycle, size,
      sources: sources.map(({ at, called }) => [{ ...defined, lastValue: within(at), called }]),
      shards: shards.map((place) => (place === undefined ? defined : { ...defined, lastValue: within(place.at), called: place.called })),
    };
  });

describe("a sequence of the source on its shards", () => {
  it("goes past the source and never back, is nobody else's, and stays when planned again", () => {
    fc.assert(
      fc.property(scene, ({ sign, margin, strategy, draws, later, cycle, sources, shards }) => {
        const up = (value: bigint): bigint => sign * value;
        const facts = { sources, strategy, margin } as const;
        const plan = planFor(facts, shards);
        const moved = afterwards(plan, shards);
        const together = strategy === "same" || shards.length === 1;
        const numbers = moved.map((one) => drawNumbers(one, 20));
        const past = sources.map(([source]) => up(nextNumber(source!))).reduce((a, b) => (a > b ? a : b));
        for (const [shard, drawn] of numbers.entries()) {
          for (const number of drawn.values) {
            expect(number).toBeGreaterThanOrEqual(shards[shard]!.minimum);
            expect(number).toBeLessThanOrEqual(shards[shard]!.maximum);
          }
          // Until it goes round, which sequences that cycle may.
          for (const number of drawn.beforeCycle) {
            expect(up(number)).toBeGreaterThanOrEqual(past);
            expect(up(number)).toBeGreaterThanOrEqual(up(nextNumber(shards[shard]!)));
          }
        }
        if (together) for (const drawn of numbers) expect(drawn.values).toEqual(numbers[0]!.values);
        else {
          const all = numbers.flatMap(({ values }) => [...new Set(values)]);
          expect(new Set(all).size).toBe(all.length);
          // Nor after TRUNCATE … RESTART IDENTITY, among each other.
          const restarted = moved.flatMap((one, shard) => (plan.shards[shard]!.moves.get(ID)!.first === undefined ? [] : drawNumbers({ ...one, lastValue: one.start, called: false }, 20).beforeCycle));
          expect(new Set(restarted).size).toBe(restarted.length);
        }
        // Again: nothing to do.
        const again = planFor(facts, moved);
        expect(again.shards.map(({ statements, present }) => [statements.length, present])).toEqual(moved.map(() => [0, 1]));
        if (cycle) {
          // Went round and planned again, with a source that did too: no number is on two shards, now or before.
          const used = moved.map((one) => drawNumbers(one, 40));
          const round = afterwards(planFor({ ...facts, sources: sources.map(([source]) => [drawNumbers(source!, Number(later)).sequence]) }, used.map((one) => one.sequence)), used.map((one) => one.sequence));
          const after = round.map((one) => drawNumbers(one, 40).values);
          if (together) for (const values of after) expect(values).toEqual(after[0]);
          else for (const [shard, values] of after.entries()) for (const [other, { values: before }] of used.entries()) if (shard !== other) expect([...values, ...used[shard]!.values].filter((number) => before.includes(number) || after[other]!.includes(number))).toEqual([]);
          return;
        }
        // Again after use, and with a source that went on.
        const used = moved.map((one, shard) => drawNumbers(one, draws[shard]!).sequence);
        const went = sources.map(([source]) => [{ ...source!, lastValue: source!.lastValue + sign * later, called: true }]);
        const third = afterwards(planFor({ ...facts, sources: went }, used), used).map((one) => drawNumbers(one, 20));
        for (const [shard, drawn] of third.entries()) {
          for (const number of drawn.values) {
            expect(up(number)).toBeGreaterThanOrEqual(up(nextNumber(used[shard]!)));
            expect(up(number)).toBeGreaterThanOrEqual(up(nextNumber(went[0]![0]!)));
          }
          if (together) expect(drawn.values).toEqual(third[0]!.values);
        }
        if (together) return;
        if (later === 0n && third.length > 0) {
          const out = numbers.map(({ values }) => new Set(values));
          for (const [shard, drawn] of third.entries()) for (const number of drawn.values) for (const [other, set] of out.entries()) if (other !== shard) expect(set.has(number)).toBe(false);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("does not lengthen its steps with every resharding", () => {
    const original = sequence({ lastValue: 40n, called: true });
    const shards = [0, 1, 2].map(() => sequence({}));
    const moved = afterwards(planFor({ sources: [[original]] }, shards), shards);
    expect(moved.map(({ increment, start }) => [increment, start])).toEqual([[3n, 1n], [3n, 2n], [3n, 3n]]);
    expect(sourceSequence(moved, 3)).toMatchObject({ increment: 1n, start: 1n });
    // Steps that belong to the application (blocks of numbers) are kept whole.
    expect(sourceSequence([sequence({ increment: 50n }), sequence({ increment: 50n })], 2).increment).toBe(50n);
    expect(sourceSequence([moved[0]!, moved[1]!], 3).increment).toBe(3n);
    const merged = afterwards(planFor({ sources: moved.map((one) => [one]) }, [sequence({})]), [sequence({})]);
    expect(merged[0]).toMatchObject({ increment: 1n, start: 1n, lastValue: moved.map(nextNumber).reduce((a, b) => (a > b ? a : b)) + 1000n });
  });

  it("goes past what shards handed out before they were interleaved", () => {
    const shards = [sequence({ lastValue: 9000n, called: true }), sequence({}), sequence({})];
    const moved = afterwards(planFor({ sources: [[sequence({})]] }, shards), shards);
    for (const one of moved) expect(nextNumber(one)).toBeGreaterThan(9000n);
  });

  it("keeps blocks of numbers apart", () => {
    const shards = [sequence({ increment: 50n }), sequence({ increment: 50n })];
    const moved = afterwards(planFor({ sources: [[sequence({ increment: 50n, lastValue: 101n, called: true })]] }, shards), shards);
    const blocks = moved.flatMap((one) => drawNumbers(one, 10).values).sort((a, b) => Number(a - b));
    for (const [index, block] of blocks.entries()) if (index > 0) expect(block - blocks[index - 1]!).toBeGreaterThanOrEqual(50n);
  });

  it("says where the margin or the numbers do not suffice", () => {
    const near = sequence({ maximum: 100n, lastValue: 90n, called: true });
    const plan = planFor({ sources: [[near]] }, [sequence({ maximum: 100n }), sequence({ maximum: 100n })]);
    expect(plan.notes).toEqual(["These end within the margin, which was left out: s."]);
    const over = planFor({ sources: [[{ ...near, lastValue: 100n }]] }, [sequence({ maximum: 100n }), sequence({ maximum: 100n })]);
    expect(over.notes).toEqual(["These have no number left, as on the source or because the shards share what there is: s."]);
    expect(over.shards[1]!.statements[0]!.sql).toContain("PERFORM setval('\"public\".\"s\"', 100, true)");
  });
});

const column = (parts: Partial<SequenceColumn> = {}): SequenceColumn => ({
  schema: "public", name: "users", column: "id", sequence: { schema: "public", name: "s" }, sequenceText: "public.s", identity: undefined, expression: plainDefault("public.s"),
  root: { schema: "public", name: "users" }, columns: [{ name: "id", type: "int8" }, { name: "region", type: "int8" }], owner: "postgres", identityPartitions: [], ...parts,
});

describe("a sharding key", () => {
  const sharded = { ...NO_RULES, tables: [hashed("id", "bigint", { name: "users" })] };
  const two = [sequence({}), sequence({})];
  const sqlOf = (plan: SequencesPlan, kind: string): string[] => plan.shards.flatMap(({ statements }) => statements.filter((statement) => statement.kind === kind).map(({ sql }) => sql));

  it("is drawn until it fits, by the function that is made before", () => {
    const plan = planFor({ sources: [[sequence({})]], sharding: sharded }, two, [column()]);
    expect(plan.shards[1]!.statements.map(({ kind }) => kind)).toEqual(["schema", "table", "function", "grant", "sequence", "sharding key"]);
    expect(plan.shards[1]!.statements.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(sqlOf(plan, "sharding key")).toEqual([0, 1].map((shard) => `ALTER TABLE ONLY "public"."users" ALTER COLUMN "id" SET DEFAULT reshard.next_key('public.s'::regclass, 2, ${shard})`));
    expect(plan.notes).toEqual([]);
  });

  it("is left alone once it is so, and drawn plainly again under another strategy", () => {
    const shards = [0, 1].map((shard) => ({ sequences: [two[shard]!], columns: [column({ expression: keyDefault("public.s", 2, shard) })], keyFunction: KEY_FUNCTION_BODY }));
    const facts = { sources: [[sequence({})]], sharding: sharded, shards } as const;
    expect(sqlOf(planSequences({ ...facts, strategy: "sharded" }), "sharding key")).toEqual([]);
    for (const strategy of ["interleaved", "same"] as const) {
      expect(sqlOf(planSequences({ ...facts, strategy }), "sharding key")[1]).toBe(`ALTER TABLE ONLY "public"."users" ALTER COLUMN "id" SET DEFAULT nextval('public.s'::regclass)`);
    }
  });

  it.each([
    ["lists", { ...NO_RULES, tables: [{ ...hashed("id", "bigint", { name: "users" }), mapping: [{ kind: "default" as const, shard: 0 }] }] }, column(), "of lists or ranges"],
    ["sha1", { ...NO_RULES, tables: [{ ...hashed("id", "bigint", { name: "users" }), hasher: "sha1" as const }] }, column(), "of the hasher sha1"],
    ["a longer default", sharded, column({ expression: "(nextval('public.s'::regclass) * 2)" }), "in another way than by nextval alone"],
  ])("of %s is only interleaved, and named", (_, sharding, of, note) => {
    const plan = planFor({ sources: [[sequence({})]], sharding }, two, [of]);
    expect(sqlOf(plan, "sharding key")).toEqual([]);
    expect(sqlOf(plan, "sequence")[1]).toContain("INCREMENT BY 2");
    expect(plan.notes).toEqual([expect.stringContaining(note)]);
    expect(plan.notes[0]).toContain("users.id");
  });

  it("is nothing to an omnisharded table, whose numbers stay in step", () => {
    const shards = [sequence({ lastValue: 3000n, called: true }), sequence({ lastValue: 7n })];
    const plan = planFor({ sources: [[sequence({ lastValue: 9n, called: true })]] }, shards, [column()]);
    expect(afterwards(plan, shards).map(nextNumber)).toEqual([3001n, 3001n]);
    const mixed = planFor({ sources: [[sequence({})]], sharding: sharded }, two, [column(), column({ name: "kinds", root: { schema: "public", name: "kinds" } })]);
    expect(mixed.notes).toEqual([expect.stringContaining("both omnisharded and sharded")]);
    expect(sqlOf(mixed, "sequence")[0]).toContain("INCREMENT BY 2");
  });
});

describe("defaults", () => {
  it("are told apart, whatever a sequence is called", () => {
    for (const text of ["public.s", `"a'b"."c\\d"`, '"weird name"', "reshard.next_key"]) {
      expect(isPlainDefault(plainDefault(text), text)).toBe(true);
      expect(isPlainDefault(`(${plainDefault(text)})::integer`, text)).toBe(true);
      expect(isPlainDefault(`(${plainDefault(text)} + 1)`, text)).toBe(false);
      expect(isPlainDefault(plainDefault(`${text}2`), text)).toBe(false);
      expect(isKeyDefault(keyDefault(text, 3, 1), text)).toBe(true);
      expect(isKeyDefault(plainDefault(text), text)).toBe(false);
      expect(withPlainDefaults(`SET DEFAULT ${keyDefault(text, 16, 3)};`)).toBe(`SET DEFAULT ${plainDefault(text)};`);
    }
  });
});
