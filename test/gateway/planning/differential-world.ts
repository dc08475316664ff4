import type { ShardingRules } from "../../../src/config/types.js";

export interface WorldTable {
  readonly name: string;
  /** undefined: omnisharded. */
  readonly key: string | undefined;
  readonly columns: Readonly<Record<string, "int" | "text">>;
  readonly primaryKey: readonly string[];
  /** All rows are on that shard. */
  readonly fixed?: number;
}

/** A view, as a table that can only be read. */
export type WorldView = Pick<WorldTable, "name" | "key" | "columns">;

/** Two families of sharded tables, by a bigint and by a text, and two omnisharded tables. */
export const WORLD_TABLES: readonly WorldTable[] = [
  { name: "users", key: "id", columns: { id: "int", name: "text", age: "int" }, primaryKey: ["id"] },
  { name: "items", key: "user_id", columns: { user_id: "int", n: "int", v: "int", note: "text" }, primaryKey: ["user_id", "n"] },
  { name: "tenants", key: "slug", columns: { slug: "text", v: "int" }, primaryKey: ["slug"] },
  { name: "events", key: "tenant", columns: { tenant: "text", n: "int", note: "text" }, primaryKey: ["tenant", "n"] },
  { name: "carts", key: "user_id", columns: { user_id: "int", total: "int", note: "text" }, primaryKey: ["user_id"] },
  { name: "archive.logs", key: undefined, columns: { n: "int", v: "int", note: "text" }, primaryKey: ["n"], fixed: 1 },
  { name: "products", key: undefined, columns: { pid: "int", title: "text", v: "int" }, primaryKey: ["pid"] },
  { name: "countries", key: undefined, columns: { code: "text", v: "int" }, primaryKey: ["code"] },
];

export const WORLD_SCHEMA = `
CREATE TABLE users (id bigint PRIMARY KEY, name text, age integer);
CREATE TABLE items (user_id bigint, n integer, v integer, note text, PRIMARY KEY (user_id, n));
CREATE TABLE tenants (slug text PRIMARY KEY, v integer);
CREATE TABLE events (tenant text, n integer, note text, PRIMARY KEY (tenant, n));
CREATE TABLE carts (user_id bigint PRIMARY KEY, total integer, note text);
CREATE SCHEMA archive;
CREATE TABLE archive.logs (n integer PRIMARY KEY, v integer, note text);
CREATE TABLE products (pid serial PRIMARY KEY, title text, v integer);
CREATE TABLE countries (code text PRIMARY KEY, v integer);
CREATE VIEW item_sums AS SELECT user_id, count(*) AS c, sum(v) AS s FROM items GROUP BY user_id;
CREATE VIEW people AS SELECT u.id, u.name, i.n, p.title FROM users u LEFT JOIN items i ON i.user_id = u.id AND i.n > 2 LEFT JOIN products p ON p.v = u.age;
CREATE VIEW ages AS SELECT age, count(*) AS c FROM users GROUP BY age;
CREATE VIEW codes AS SELECT code, v FROM countries WHERE v IS NOT NULL;
`;

export const WORLD_VIEWS: readonly WorldView[] = [
  { name: "item_sums", key: "user_id", columns: { user_id: "int", c: "int", s: "int" } },
  { name: "people", key: "id", columns: { id: "int", name: "text", n: "int", title: "text" } },
  { name: "ages", key: undefined, columns: { age: "int", c: "int" } },
  { name: "codes", key: undefined, columns: { code: "text", v: "int" } },
];

/** Enough rows that each shard has some of each table, and few enough values that all kinds of conditions meet some. */
const ROWS: Readonly<Record<string, readonly (readonly (string | number | null)[])[]>> = {
  users: Array.from({ length: 10 }, (_, id) => [id, id % 4 === 3 ? null : "abcd"[id % 3]!, id % 5 === 4 ? null : (id * 7) % 6]),
  items: Array.from({ length: 26 }, (_, row) => [[0, 1, 2, 4, 6, 9, 11, 12][row % 8]!, row % 7, row % 6 === 5 ? null : (row * 3) % 8, row % 4 === 1 ? null : "abcdef"[row % 5]!]),
  tenants: Array.from({ length: 8 }, (_, row) => ["abcdefgh"[row]!, row % 5 === 2 ? null : row % 4]),
  events: Array.from({ length: 20 }, (_, row) => ["abcdefghij"[(row * 3) % 10]!, row % 5, row % 3 === 1 ? null : "abc"[row % 3]!]),
  carts: Array.from({ length: 8 }, (_, row) => [(row * 3) % 12, row % 4 === 2 ? null : (row * 5) % 7, "abc"[row % 3]!]),
  "archive.logs": Array.from({ length: 6 }, (_, row) => [row, row % 3 === 0 ? null : row, "abcd"[row % 4]!]),
  products: Array.from({ length: 7 }, (_, row) => [row + 1, "abcdefg"[row]!, row % 3 === 2 ? null : row]),
  countries: Array.from({ length: 5 }, (_, row) => ["abcde"[row]!, row % 4 === 3 ? null : row]),
};

/** The first of those that have the same primary key. */
export const WORLD_ROWS: typeof ROWS = Object.fromEntries(
  WORLD_TABLES.map(({ name, primaryKey }) => {
    const keys = ROWS[name]!.map((row) => JSON.stringify(row.slice(0, primaryKey.length)));
    return [name, ROWS[name]!.filter((_, index) => keys.indexOf(keys[index]!) === index)];
  }),
);

const HASHED = { hasher: "postgres", mapping: [] } as const;

export const WORLD_RULES: ShardingRules = {
  tables: [
    { name: "users", column: "id", dataType: "bigint", ...HASHED },
    { name: "items", column: "user_id", dataType: "bigint", ...HASHED },
    { name: "carts", column: "user_id", dataType: "bigint", ...HASHED },
    { name: "tenants", column: "slug", dataType: "varchar", ...HASHED },
    { name: "events", column: "tenant", dataType: "varchar", ...HASHED },
  ],
  schemas: [{ name: "archive", shard: 1 }],
  omnisharded: [],
};
