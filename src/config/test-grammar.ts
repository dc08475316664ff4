import { z } from "zod";
import { flag, grammar, type Grammar, list, name, oneOf, text, wholeNumber } from "./grammar.js";

const tomlTable = (expected: string) => z.record(z.string(), z.unknown(), { error: expected });
const rowOf = tomlTable("a row: its values by column, as { id = 1, email = \"a@b.c\" }");

export const TESTS = grammar("[[tests]]", {
  name,
  table: name,
  columns: z.record(z.string(), text, { error: 'a table: the columns with their types, as { id = "bigint primary key", email = "text" }' }),
  rows: list(rowOf, "a list of rows, as [{ id = 1, email = \"a@b.c\" }]").optional(),
  changes: list(tomlTable("a change: { insert = { … } }, { update = { … }, old = { … } }, { delete = { … } } or { truncate = true }"), "a list of changes, as [{ insert = { id = 1 } }, { delete = { id = 1 } }]").optional(),
  expect: list(tomlTable("what comes out, as { shard = 0, id = 1 } of rows and { shard = 0, insert = { id = 1 } } of changes"), "a list of what comes out").optional(),
  expect_sql: list(text, "a list of statements").optional(),
  expect_error: name.optional(),
});

const change = { insert: rowOf.optional(), update: rowOf.optional(), old: rowOf.optional(), delete: rowOf.optional(), truncate: flag.pipe(z.literal(true, { error: "true" })).optional() };

/** An element of `changes`. */
export const TEST_CHANGE = grammar("a change", change);

const SHARD_EXPECTED = 'a shard number, from 0, or "every"';
const shardOrEvery = z.union([wholeNumber(0, 65_535, SHARD_EXPECTED), oneOf("every")], { error: SHARD_EXPECTED });

/** An element of `expect` where changes come in. */
export const EXPECTED_CHANGE = grammar("an expected change", { shard: shardOrEvery.optional(), ...change });

/** An element of `expect` where rows come in; its other keys are columns. */
export const EXPECTED_ROW: Grammar<{ readonly shard?: number | "every" | undefined }> = { label: "an expected row", keys: ["shard"], ignored: [], schema: z.looseObject({ shard: shardOrEvery.optional() }) };
