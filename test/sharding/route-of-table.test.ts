import { describe, expect, test } from "vitest";
import type { ShardedTable, ShardingRules } from "../../src/config/types.js";
import { ReshardError } from "../../src/errors.js";
import { type RoutedTable, routeOfTable } from "../../src/sharding/route-of-table.js";
import { NULL_KEY, UNCOVERED_KEY } from "../../src/sharding/table-route.js";
import { unmatchedRules } from "../../src/sharding/unmatched-rules.js";
import { unroutableKey } from "../../src/sharding/unroutable-key.js";

function table(id: string, columns: Readonly<Record<string, string>>): RoutedTable {
  const [schema, name] = id.split(".") as [string, string];
  return { schema, name, columns: Object.entries(columns).map(([name, type]) => ({ name, type })) };
}

function rule(column: string, rest: Partial<ShardedTable> = {}): ShardedTable {
  return { column, dataType: "bigint", hasher: "postgres", mapping: [], ...rest };
}

function rules(tables: readonly ShardedTable[], rest: Partial<ShardingRules> = {}): ShardingRules {
  return { tables, schemas: [], omnisharded: [], ...rest };
}

/** `key:column`, `fixed:shard` or `omnisharded`. */
function routed(of: RoutedTable, by: ShardingRules): string {
  const route = routeOfTable(of, by, 4);
  switch (route.kind) {
    case "key":
      return `key:${route.column}`;
    case "fixed":
      return `fixed:${route.shard}`;
    case "omnisharded":
      return "omnisharded";
  }
}

function refusal(of: RoutedTable, by: ShardingRules): ReshardError {
  try {
    routeOfTable(of, by, 4);
  } catch (error) {
    if (error instanceof ReshardError) return error;
    throw error;
  }
  throw new Error("the table was routed");
}

const USERS = table("public.users", { id: "int8", tenant_id: "int8", name: "text" });

describe("routeOfTable", () => {
  test("omnisharded by name goes before everything", () => {
    for (const omnisharded of [["users"], ["public.users"]]) expect(routed(USERS, rules([rule("id", { name: "users" })], { omnisharded }))).toBe("omnisharded");
    expect(routed(USERS, rules([rule("id", { name: "users" })], { omnisharded: ["audit.users"] }))).toBe("key:id");
  });

  test("the entry with schema and name, then the one with the name, then the first by column", () => {
    const byColumn = rule("tenant_id");
    const byName = rule("id", { name: "users" });
    const bySchemaAndName = rule("name", { name: "users", schema: "public", dataType: "varchar" });
    expect(routed(USERS, rules([byColumn, byName, bySchemaAndName]))).toBe("key:name");
    expect(routed(USERS, rules([byColumn, byName, { ...bySchemaAndName, schema: "audit" }]))).toBe("key:id");
    expect(routed(USERS, rules([byColumn, { ...byName, name: "orders" }]))).toBe("key:tenant_id");
    expect(routed(USERS, rules([rule("absent"), rule("tenant_id", { schema: "audit" }), rule("id"), byColumn]))).toBe("key:id");
  });

  test("a column rule before a schema rule, a named schema before the default", () => {
    const schemas = [{ shard: 3 }, { name: "public", shard: 1 }];
    expect(routed(USERS, rules([rule("tenant_id")], { schemas }))).toBe("key:tenant_id");
    expect(routed(USERS, rules([rule("absent")], { schemas }))).toBe("fixed:1");
    expect(routed(table("other.t", { id: "int8" }), rules([], { schemas }))).toBe("fixed:3");
    expect(routed(table("other.t", { id: "int8" }), rules([], { schemas: [schemas[1]!] }))).toBe("omnisharded");
  });

  test("names are compared as they are, capitals and dots included", () => {
    expect(routed(table("public.Users", { ID: "int8" }), rules([rule("ID", { name: "Users" })]))).toBe("key:ID");
    expect(routed(table("public.Users", { ID: "int8" }), rules([rule("id", { name: "users" })]))).toBe("omnisharded");
  });

  test.each([
    ["int2", "bigint"], ["int4", "bigint"], ["int8", "bigint"], ["uuid", "uuid"], ["text", "varchar"], ["varchar", "varchar"],
  ] as const)("a column of type %s fits data_type %s and no other", (type, fitting) => {
    const of = table("public.t", { k: type });
    for (const dataType of ["bigint", "uuid", "varchar"] as const) {
      const by = rules([rule("k", { name: "t", dataType })]);
      if (dataType === fitting) expect(routed(of, by)).toBe("key:k");
      else {
        const error = refusal(of, by);
        expect([error.code, error.kind, error.place.table]).toEqual(["SHARDING_COLUMN_TYPE", "operator", "t"]);
        expect(error.remedy).toContain(`data_type = "${fitting}"`);
      }
    }
  });

  test.each([["bpchar", "varchar"], ["citext", "varchar"], ["numeric", "bigint"], ["timestamptz", "bigint"], ["oid", "bigint"]] as const)(
    "a column of type %s is refused under %s",
    (type, dataType) => {
      expect(refusal(table("public.t", { k: type }), rules([rule("k", { dataType })])).code).toBe("SHARDING_COLUMN_TYPE");
    },
  );

  test("an entry that names the table must name one of its columns", () => {
    const error = refusal(USERS, rules([rule("tenant_id"), rule("user_id", { name: "users" })]));
    expect(error.code).toBe("SHARDING_COLUMN_MISSING");
    expect(error.message).toContain('"user_id"');
    expect(error.remedy).toContain("id, tenant_id, name");
  });

  test("a shard that does not exist is refused", () => {
    expect(refusal(USERS, rules([], { schemas: [{ name: "public", shard: 4 }] })).code).toBe("SHARDING_SHARD_UNKNOWN");
    expect(refusal(USERS, rules([rule("id", { mapping: [{ kind: "default", shard: 4 }] })])).code).toBe("SHARDING_SHARD_UNKNOWN");
  });

  test("the key's route hashes", () => {
    const route = routeOfTable(USERS, rules([rule("id")]), 3);
    if (route.kind !== "key") throw new Error(route.kind);
    expect([1, 2, 3].map((id) => route.shardOf(Buffer.from([0, 0, 0, id]), 0, 4))).toEqual([2, 0, 1]);
  });
});

describe("unmatchedRules", () => {
  test("reports what names nothing, and only that", () => {
    const by = rules(
      [rule("id", { name: "users" }), rule("id", { name: "user" }), rule("id", { name: "users", schema: "audit" }), rule("tenant_id"), rule("tenant"), rule("id", { schema: "audit" })],
      { schemas: [{ shard: 0 }, { name: "public", shard: 1 }, { name: "audit", shard: 1 }], omnisharded: ["users", "public.users", "countries"] },
    );
    expect(unmatchedRules([USERS], by)).toEqual([
      { section: "sharded_tables", names: "user" },
      { section: "sharded_tables", names: "audit.users" },
      { section: "sharded_tables", names: "column tenant" },
      { section: "sharded_tables", names: "schema audit, column id" },
      { section: "sharded_schemas", names: "audit" },
      { section: "omnisharded_tables", names: "countries" },
    ]);
    expect(unmatchedRules([USERS], rules([rule("id")]))).toEqual([]);
  });
});

describe("unroutableKey", () => {
  test("names table, column and the fix", () => {
    const missing = unroutableKey(NULL_KEY, { schema: "app", name: "orders" }, "tenant id");
    expect([missing.code, missing.kind, missing.place.table]).toEqual(["SHARDING_KEY_NULL", "operator", "app.orders"]);
    expect(missing.message).toContain('"tenant id"');
    expect(missing.remedy).toContain('SELECT * FROM "app"."orders" WHERE "tenant id" IS NULL');
    expect(missing.remedy).toContain("default entry");
    const uncovered = unroutableKey(UNCOVERED_KEY, { schema: "public", name: "orders" }, "region", "mars");
    expect([uncovered.code, uncovered.place.table]).toEqual(["SHARDING_KEY_UNCOVERED", "orders"]);
    expect(uncovered.message).toContain('"mars"');
    expect(uncovered.remedy).toContain("default entry");
  });
});
