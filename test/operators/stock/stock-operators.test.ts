import { readFileSync } from "node:fs";
import fc from "fast-check";
import { of } from "rxjs";
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { operatorChain } from "../../../src/operators/operator-chain.js";
import { stockOperators } from "../../../src/operators/stock/stock-operators.js";
import type { TableShape } from "../../../src/table-batch.js";
import { expectMarbles, holdsProperties, makeOperator, type OperatorCase } from "../../support/operator-properties.js";
import { rowsIn, rowsOf, type RowValues, tableBatch } from "../../support/table-rows.js";

const USERS: TableShape = {
  schema: "public", name: "users",
  columns: [{ name: "id", type: "int8", partOfKey: true }, { name: "email", type: "text", partOfKey: false }, { name: "age", type: "int4", partOfKey: false }],
};

const DEVICES: TableShape = {
  schema: "public", name: "devices",
  columns: [
    { name: "serial", type: "text", partOfKey: true }, { name: "number", type: "int4", partOfKey: true }, { name: "owner", type: "uuid", partOfKey: false }, { name: "price", type: "numeric", partOfKey: false },
    { name: "seen", type: "timestamptz", partOfKey: false }, { name: "raw", type: "bytea", partOfKey: false }, { name: "small", type: "int2", partOfKey: false }, { name: "info", type: "jsonb", partOfKey: false }, { name: "code", type: "bpchar", partOfKey: false }, { name: "big", type: "int8", partOfKey: false },
  ],
};

function stock(type: string, options: Readonly<Record<string, unknown>>, table = USERS): OperatorCase {
  return { definition: stockOperators[type]!, options, table };
}

const KEY = "a secret of a few words";

const CASES: readonly (readonly [name: string, operator: OperatorCase])[] = [
  ["filter", stock("filter", { where: "age >= 0 AND email LIKE '%a%' OR id < 0" })],
  ["filter by the key", stock("filter", { where: "number IN (1, 2, 3) OR serial > 'b'" }, DEVICES)],
  ["mask", stock("mask", { key: KEY, columns: { email: "email", age: "digits" } })],
  ["mask of a key", stock("mask", { key: KEY, columns: { id: "hash", email: { hash: 10 }, age: { constant: 7 } } })],
  ["mask of a key of two columns", stock("mask", { key: KEY, columns: { serial: "hash", number: "digits", owner: "hash", price: "digits", seen: { constant: "2000-01-01 00:00:00+00" }, raw: "hash", small: "hash", info: "null", code: "digits", big: "digits" } }, DEVICES)],
  ["mask that keeps the shape of a key", stock("mask", { key: KEY, columns: { serial: "digits", number: "hash", small: "digits", big: "hash", code: { hash: 4 } } }, DEVICES)],
  ["rename", stock("rename", { schema: "app", table: "people", columns: { email: "mail", id: "number" } })],
  ["sample", stock("sample", { fraction: 0.5 })],
  ["sample by another column", stock("sample", { fraction: 0.3, by: "owner" }, DEVICES)],
  ["sample of a key of two columns", stock("sample", { fraction: 0.5 }, DEVICES)],
  ["route", stock("route", { column: "email" })],
  ["tap", stock("tap", {})],
];

test.each(CASES)("%s: what holds for every operator", (_name, operator) => {
  holdsProperties(operator, 40);
});

describe("on virtual time, batch for batch", () => {
  const a: RowValues[] = [[1n, "ana@b.org", 31], [2n, null, 9]];
  const b: RowValues[] = [[3n, "cy@d.org", null]];
  const same = { a, b: b };
  const cases: readonly (readonly [OperatorCase, Readonly<Record<string, readonly unknown[]>>])[] = [
    [stock("filter", { where: "age >= 18" }), { a: [a[0]!], b: [] }],
    [stock("mask", { columns: { email: "null", age: { constant: 40 } } }), { a: [[1n, null, 40], [2n, null, 40]], b: [[3n, null, null]] }],
    [stock("rename", { columns: { email: "mail" } }), same],
    [stock("sample", { fraction: 1 }), same],
    [stock("route", { column: "id" }), same],
    [stock("tap", {}), same],
  ];
  test.each(cases)("$definition.name", (operator, rows) => {
    expectMarbles(operator, "-a--b-(c|)", { a, b, c: [] }, "-a--b-(c|)", { ...rows, c: [] });
  });
});

describe("mask", () => {
  function masksOf(how: unknown, type: string, values: readonly RowValues[number][]): unknown[] {
    const table: TableShape = { schema: "public", name: "t", columns: [{ name: "v", type, partOfKey: false }] };
    return passed(stock("mask", { key: KEY, columns: { v: how } }, table), values.map((value) => [value])).map(([value]) => value);
  }

  test("keeps the shape of an address, and nobody's is made", () => {
    fc.assert(fc.property(fc.emailAddress(), (address) => {
      const [mask] = masksOf("email", "text", [address]) as [string];
      const shape = (text: string): string => text.replace(/[a-z]/g, "a").replace(/[A-Z]/g, "A").replace(/\d/g, "0");
      const behindTop = address.slice(0, address.lastIndexOf("."));
      expect(shape(mask)).toBe(`${shape(behindTop)}.aaaa`);
      expect(mask.endsWith(".test")).toBe(true);
    }), { numRuns: 100 });
    const addresses = Array.from({ length: 500 }, (_, number) => `user${number}@mail.example.${number % 2 === 0 ? "org" : "com"}`);
    expect(new Set(masksOf("email", "text", addresses)).size).toBe(500);
    expect(masksOf("email", "text", ["Ana@Öl.org"])[0]).toMatch(/^[A-Z][a-z]{2}@[a-z]{2}\.test$/);
  });

  test("keeps what is between digits, and tells no two numbers alike", () => {
    const phones = Array.from({ length: 1000 }, (_, number) => `+1 (${String(number).padStart(3, "0")}) x`);
    const masks = masksOf("digits", "text", phones) as string[];
    for (const mask of masks) expect(mask).toMatch(/^\+\d \(\d{3}\) x$/);
    expect(new Set(masks).size).toBe(1000);
    expect(new Set(masksOf("digits", "int2", Array.from({ length: 2000 }, (_, number) => number - 1000))).size).toBe(2000);
    expect(masksOf("digits", "numeric", ["NaN", "-0.05", "1200.50"])).toEqual(["NaN", expect.stringMatching(/^-\d\.\d\d$/), expect.stringMatching(/^[1-9]\d{3}\.\d\d$/)]);
  });

  test("is the same for the same value, whatever the column; another under another key", () => {
    const hash = (how: unknown, type: string, value: RowValues[number]): unknown => masksOf(how, type, [value])[0];
    expect(hash("hash", "int4", 42)).toBe(Number(hash("hash", "int8", 42n)));
    expect(hash("hash", "text", "ana")).toBe(hash("hash", "varchar", "ana"));
    expect(hash("hash", "bpchar", "ana  ")).toBe(hash("hash", "text", "ana"));
    expect(hash({ hash: 8 }, "text", "ana")).toBe((hash("hash", "text", "ana") as string).slice(0, 8));
    expect(hash("hash", "citext", "ANA")).toBe(hash("hash", "citext", "ana"));
    const other = passed(stock("mask", { key: `${KEY}!`, columns: { email: "hash" } }), [[1n, "ana", 1]])[0]![1];
    expect(other).not.toBe(hash("hash", "text", "ana"));
  });

  test("of integers is one for one: the ends of their ranges too", () => {
    const int2 = Array.from({ length: 65_536 }, (_, number) => number - 32_768);
    expect(new Set(masksOf("hash", "int2", int2.filter((value) => value % 16 === 0 || value < -32_000))).size).toBe(int2.filter((value) => value % 16 === 0 || value < -32_000).length);
    const ends = [0n, (1n << 31n) - 1n, 1n << 31n, (1n << 63n) - 1n, -1n, -(1n << 31n), -(1n << 63n)];
    const masks = masksOf("hash", "int8", ends) as bigint[];
    masks.forEach((mask, index) => {
      expect(mask < 0n).toBe(ends[index]! < 0n);
      expect(BigInt.asIntN(32, mask) === mask).toBe(BigInt.asIntN(32, ends[index]!) === ends[index]!);
    });
    expect(masks).not.toEqual(ends);
  });
});

describe("sample", () => {
  test("keeps about the fraction, and families together", () => {
    const rows = Array.from({ length: 20_000 }, (_, id): RowValues => [BigInt(id), null, id % 2000]);
    const kept = passed(stock("sample", { fraction: 0.1 }), rows);
    expect(kept.length / rows.length).toBeGreaterThan(0.09);
    expect(kept.length / rows.length).toBeLessThan(0.11);
    const families = passed(stock("sample", { fraction: 0.25, by: "age" }), rows);
    const ages = new Set(families.map(([, , age]) => age));
    expect(families).toHaveLength(10 * ages.size);
    // The same users, by their own int8 key.
    const users = passed(stock("sample", { fraction: 0.25 }), Array.from({ length: 2000 }, (_, id): RowValues => [BigInt(id), null, null]));
    expect(new Set(users.map(([id]) => Number(id)))).toEqual(ages);
  });

  test("is the larger one with the larger fraction", () => {
    fc.assert(fc.property(rowsOf(DEVICES), (rows) => {
      const [few, many] = [0.2, 0.7].map((fraction) => passed(stock("sample", { fraction }, DEVICES), rows).map((row) => JSON.stringify(row.slice(0, 2))));
      expect(many).toEqual(expect.arrayContaining(few!));
    }), { numRuns: 30 });
  });

  test("of a table without a key has to be told by what", () => {
    const table = { ...USERS, columns: USERS.columns.map((column) => ({ ...column, partOfKey: false })) };
    expect(() => makeOperator(stock("sample", { fraction: 0.5 }, table))).toThrow(expect.objectContaining({ code: "OPERATOR_OPTION_WRONG" }));
    expect(makeOperator(stock("sample", { fraction: 0.5, by: "age" }, table))).toBeDefined();
  });
});

test("route says where rows go", () => {
  expect(makeOperator(stock("route", { column: "email", hasher: "sha1" }))!.operator.sharding).toEqual({ kind: "key", column: "email", dataType: "varchar", hasher: "sha1" });
  expect(makeOperator(stock("route", { column: "id" }))!.operator.sharding).toEqual({ kind: "key", column: "id", dataType: "bigint", hasher: "postgres" });
  expect(makeOperator(stock("route", { shard: 2 }))!.operator.sharding).toEqual({ kind: "shard", shard: 2 });
  expect(makeOperator(stock("route", { omnisharded: true }))!.operator.sharding).toEqual({ kind: "omnisharded" });
});

test("route keeps its column where an operator behind it renames that", () => {
  const { operator: route } = makeOperator(stock("route", { column: "email" }))!;
  const { operator: rename } = makeOperator(stock("rename", { columns: { email: "mail" } }))!;
  const chain = operatorChain(USERS, [{ name: "route", operator: route }, { name: "rename", operator: rename }]);
  expect(chain.sharding).toEqual({ kind: "key", column: "mail", dataType: "varchar", hasher: "postgres" });
});

test("tap counts rows and the bytes of their values", () => {
  const made = makeOperator(stock("tap", {}))!;
  of(tableBatch(USERS, [[1n, "ana", 31], [2n, null, null]]), tableBatch(USERS, [[3n, "é", 1]])).pipe(made.operator.operator).subscribe();
  expect(made.figures).toEqual({ rows: 3, bytes: 15 + 8 + 14 });
});

test("rename gives the table as it is afterwards", () => {
  const { table } = makeOperator(stock("rename", { schema: "app", table: "people", columns: { email: "mail" } }))!;
  expect(table).toEqual({ schema: "app", name: "people", columns: [{ name: "id", type: "int8", partOfKey: true }, { name: "mail", type: "text", partOfKey: false }, { name: "age", type: "int4", partOfKey: false }] });
});

/** Rows through an operator. */
function passed(operator: OperatorCase, rows: readonly RowValues[]): unknown[][] {
  let out: unknown[][] = [];
  of(tableBatch(operator.table, rows)).pipe(makeOperator(operator)!.operator.operator).subscribe((batch) => { out = rowsIn(batch); });
  return out;
}

describe("options", () => {
  test.each([
    ["filter", {}, [["where"]]],
    ["filter", { where: "age >" }, [["where"]]],
    ["filter", { where: "true", wher: 1 }, [[]]],
    ["mask", { columns: {} }, [["columns"]]],
    ["mask", { columns: { email: "hash" } }, [["key"]]],
    ["mask", { columns: { email: "hash" }, key: "short" }, [["key"]]],
    ["mask", { columns: { email: "scramble" } }, [["columns", "email"]]],
    ["mask", { columns: { email: { hash: 65 } }, key: KEY }, [["columns", "email", "hash"]]],
    ["rename", {}, [[]]],
    ["rename", { columns: { a: "" } }, [["columns", "a"]]],
    ["sample", { fraction: 0 }, [["fraction"]]],
    ["sample", { fraction: "much" }, [["fraction"]]],
    ["route", {}, [[]]],
    ["route", { column: "a", shard: 1 }, [[]]],
    ["route", { column: "a", data_type: "int" }, [["data_type"]]],
    ["tap", { rows: true }, [[]]],
  ] as const)("%s %j", (type, options, paths) => {
    const read = stockOperators[type]!.options.safeParse(options);
    expect(read.success ? [] : read.error.issues.map(({ path }) => path)).toEqual(paths);
  });

  test.each([
    ["filter", { where: "age > 'x'" }, "where: 'x' is no value of type int4", ["where"]],
    ["filter", { where: "age > 1 AND agee > 1" }, "where: users has no column agee: did you mean age?", ["where"]],
    ["mask", { columns: { id: "null" } }, "users.id is part of the key", ["columns", "id"]],
    ["mask", { columns: { age: "email" }, key: KEY }, 'users.age is int4: "email" is for text', ["columns", "age"]],
    ["mask", { columns: { age: { constant: "x" } } }, 'users.age is int4: "x" is none of its values', ["columns", "age"]],
    ["rename", { columns: { age: "email" } }, 'users would have two columns "email"', ["columns", "age"]],
    ["route", { column: "age", data_type: "uuid" }, "users.age is int4, which is hashed as bigint, not as uuid", ["data_type"]],
  ] as const)("that do not fit the table: %s %j", (type, options, message, option) => {
    expect(() => makeOperator(stock(type, options))).toThrow(expect.objectContaining({ code: "OPERATOR_OPTION_WRONG", option, message: expect.stringContaining(message) as string }));
  });

  test.each([["filter", { where: "tenant = 1" }], ["mask", { columns: { phone: "null" } }], ["rename", { columns: { phone: "tel" } }], ["sample", { fraction: 0.5, by: "tenant" }], ["route", { column: "tenant" }]] as const)("%s leaves a table without its columns alone", (type, options) => {
    expect(makeOperator(stock(type, options))).toBeUndefined();
    const { definition } = stock(type, options);
    const read = definition.options.safeParse(options);
    expect(read.success && definition.columns!(read.data)).toHaveLength(1);
  });
});

describe("the comments that the documents are made of", () => {
  const names = Object.keys(stockOperators);
  test.each(names)("%s", (name) => {
    const source = readFileSync(new URL(`../../../src/operators/stock/${name}.ts`, import.meta.url), "utf8");
    const comment = new RegExp(`/\\*\\*\\n((?: \\*[^\\n]*\\n)+?) \\*/\\nexport (?:const ${name}Operator|function ${name})\\b`).exec(source)?.[1]?.replaceAll(/^ \* ?/gm, "");
    const form = /^(?<sentence>[A-Z][^]*?\.)\n\n(?:[^`@]*(?:`[^`\n]+`[^`@]*)*)```\n(?<picture>[^`]*)```\n\n@example\n```toml\n(?<toml>[^`]*)```\n$/.exec(comment ?? "");
    expect(form?.groups?.["picture"]).toMatch(/^in .*\nout /m);
    const { operators } = parse(form!.groups!["toml"]!) as { operators: Record<string, Record<string, unknown>> };
    const [{ type, tables, ...options }] = Object.values(operators) as [Record<string, unknown>];
    expect(type).toBe(name);
    expect(tables === undefined || Array.isArray(tables)).toBe(true);
    const definition = stockOperators[name]!;
    const read = definition.options.safeParse("key" in options ? { ...options, key: KEY } : options);
    expect(read).toMatchObject({ success: true });
  });
});
