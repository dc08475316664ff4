import { expect, test } from "vitest";
import type { PublishedTable } from "../../src/postgres/catalog.js";
import { placements } from "../../src/pipelines/placements.js";
import { type KeyRule } from "../../src/sharding/key-router.js";
import { ruleId } from "../../src/sharding/rule-id.js";
import type { Pipeline, ShardedTable } from "../../src/config/types.js";

const LISTED: KeyRule = { dataType: "bigint", hasher: "postgres", mapping: [{ kind: "list", values: [1n, 9223372036854775807n], shard: 1 }, { kind: "range", start: 5n, end: 7n, shard: 0 }, { kind: "default", shard: 0 }] };

test("rules are alike exactly if they say the same", () => {
  expect(ruleId(LISTED)).toBe(ruleId({ ...LISTED }));
  expect(ruleId(LISTED)).not.toBe(ruleId({ ...LISTED, mapping: [{ kind: "list", values: ["1", "9223372036854775807"], shard: 1 }, ...LISTED.mapping.slice(1)] }));
  expect(ruleId({ ...LISTED, mapping: [] })).not.toBe(ruleId({ ...LISTED, mapping: [], hasher: "sha1" }));
});

test("tables that lists of integers place are placed", () => {
  const root = { schema: "public", name: "t" };
  const rule: ShardedTable = { name: "t", column: "id", ...LISTED };
  const table = { ...root, root, columns: [{ name: "id", baseType: "int8" }] } as unknown as PublishedTable;
  const to = { name: "x", shards: [{}, {}], sharding: { tables: [rule], schemas: [], omnisharded: [] } } as unknown as Pipeline["to"];
  expect(placements({ to }, [table])(root)).toEqual({ kind: "key", column: "id", rule: ruleId(rule) });
});
