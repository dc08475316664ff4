import { beforeAll, describe, expect, test } from "vitest";
import type { KeyType } from "../../../src/config/types.js";
import { Rehearsal } from "../../../src/gateway/planning/rehearsal.js";
import { searchPathOf } from "../../../src/gateway/planning/search-path.js";
import type { CatalogColumn, Relation, ShardedCatalog } from "../../../src/gateway/planning/sharded-catalog.js";
import { StatementPlanner } from "../../../src/gateway/planning/statement-planner.js";
import { valueRows } from "../../../src/gateway/planning/value-rows.js";
import { loadParser } from "../../../src/schema/syntax-tree.js";
import { keyRouter } from "../../../src/sharding/key-router.js";

beforeAll(loadParser);

function column(name: string, type: string): CatalogColumn {
  return { name, type, order: "value", deterministic: true, notNull: false, maxLength: undefined, default: { kind: "none" }, generated: false, identity: undefined };
}

function table(name: string, key: string | undefined): Relation {
  const rule = { dataType: "bigint" as KeyType, hasher: "postgres" as const, mapping: [] };
  return {
    schema: "public", name, kind: "table", columns: [column("id", "int8"), column("v", "int4")], unusable: undefined, definition: undefined, materialized: false, uniqueKeys: [],
    placement: key === undefined ? { kind: "omnisharded" } : { kind: "key", column: key, dataType: "bigint", shardOf: keyRouter(rule, 2), rule: "r", drawable: true },
    triggers: new Set(), rewritten: false, drawnOnce: false, carried: { update: new Set(), delete: false }, guarded: false,
  };
}

const catalog: ShardedCatalog = {
  shards: 2,
  relations: new Map([["public", new Map([["users", table("users", "id")], ["codes", table("codes", undefined)]])]]),
  systemRelations: new Set(), functions: new Map(), userOperators: new Set(), keyRules: [],
};

/** A rehearsal whose work is done when it is told so. */
function rehearsed(limit?: number): { readonly rehearsal: Rehearsal; readonly work: () => void; readonly due: (() => void)[] } {
  const due: (() => void)[] = [];
  const rehearsal = new Rehearsal(new StatementPlanner(catalog), { later: (work) => due.push(work), ...(limit === undefined ? {} : { limit }) });
  const work = (): void => {
    for (let next = due.shift(); next !== undefined; next = due.shift()) next();
  };
  return { rehearsal, work, due };
}

describe("the rehearsal", () => {
  test("tells each statement's future, with calls and reasons", () => {
    const { rehearsal, work } = rehearsed();
    const observe = (text: string): void => { rehearsal.observe(text, ["public"]); };
    for (let id = 0; id < 5; id++) observe(`SELECT * FROM users WHERE id = ${id}`);
    observe("SELECT * FROM users WHERE id = 3");
    for (const text of ["SELECT * FROM users", "SELECT * FROM users WHERE id IN (1, 2)", "TABLE codes", "UPDATE codes SET v = 1", "SELECT DISTINCT v FROM users", "BEGIN; COMMIT", "INSERT INTO users VALUES (1, 2), (2, 3)", "SELEC"]) observe(text);
    expect(rehearsal.statements()).toEqual([]);
    work();
    const found = Object.fromEntries(rehearsal.statements().map(({ text, calls, future }) => [text, `${calls} ${future}`]));
    expect(found).toEqual({
      "SELECT * FROM users WHERE id = $1": "6 one shard",
      "SELECT * FROM users": "1 all shards",
      "SELECT * FROM users WHERE id IN ($1, …)": "1 several shards",
      "TABLE codes": "1 omnisharded",
      "UPDATE codes SET v = $1": "1 omnisharded",
      "SELECT DISTINCT v FROM users": "1 refused",
      BEGIN: "1 session",
      COMMIT: "1 session",
      "INSERT INTO users VALUES ($1, …), …": "1 several shards",
    });
    expect(rehearsal.statements()[0]!.calls).toBe(6);
    expect(rehearsal.statements().find(({ future }) => future === "refused")).toMatchObject({ reason: expect.stringContaining("DISTINCT") as string, remedy: expect.stringContaining("sharding key") as string });
  });

  test("keeps the worst future of texts that are alike, and the reason", () => {
    const { rehearsal, work } = rehearsed();
    for (const list of ["1", "1, 2, 3", "4"]) rehearsal.observe(`SELECT v FROM users WHERE id IN (${list}) GROUP BY v`, ["public"]);
    rehearsal.observe("SELECT v FROM users WHERE id IN (7, 8) GROUP BY v", ["public"]);
    work();
    const found = rehearsal.statements().toSorted((a, b) => a.text.length - b.text.length);
    expect(found.map(({ text, calls, future }) => [text, calls, future])).toEqual([
      ["SELECT v FROM users WHERE id IN ($1) GROUP BY v", 2, "one shard"],
      ["SELECT v FROM users WHERE id IN ($1, …) GROUP BY v", 2, "several shards"],
    ]);
    expect(found.find(({ future }) => future === "several shards")!.reason).toMatch(/If its keys are on several shards/);
  });

  test("is bounded, in what it keeps and in what waits", () => {
    const { rehearsal, work, due } = rehearsed(10);
    for (let index = 0; index < 1200; index++) rehearsal.observe(`SELECT c${index} FROM codes`, ["public"]);
    expect(rehearsal.missed).toBe(200);
    expect(due).toHaveLength(1);
    work();
    expect(rehearsal.statements()).toHaveLength(10);
  });
});

test.each([
  ['"$user", public', ["Me", "public"]],
  ['Public,"Odd ""One", $user', ["public", 'Odd "One', "Me"]],
  ["", []],
])("the search path %s", (setting, expected) => {
  expect(searchPathOf(setting, "Me")).toEqual(expected);
});

test("the rows of VALUES are found whatever is in them", () => {
  expect(valueRows("INSERT INTO t (a, \"values\") VALUES (1, ')'), -- (\n ($2, (SELECT (3))) , (DEFAULT,E'\\')') ON CONFLICT (a) DO NOTHING")).toEqual({
    before: 'INSERT INTO t (a, "values") VALUES ',
    rows: ["(1, ')')", "($2, (SELECT (3)))", "(DEFAULT,E'\\')')"],
    after: " ON CONFLICT (a) DO NOTHING",
  });
  expect(valueRows("INSERT INTO t DEFAULT VALUES")).toBeUndefined();
  expect(valueRows("SELECT 1")).toBeUndefined();
});
