import type { ShardingRules } from "../../../src/config/types.js";

export interface WorldTable {
  readonly name: string;
  /** undefined: omnisharded. */
  readonly key: string | undefined;
  readonly columns: Readonly<Record<string, "int" | "text">>;
  readonly primaryKey: readonly string[];
}

/** Two families of sharded tables, by a bigint and by a text, and two omnisharded tables. */
export const WORLD_TABLES: readonly WorldTable[] = [
  { name: "users", key: "id", columns: { id: "int", name: "text", age: "int" }, primaryKey: ["id"] },
  { name: "items", key: "user_id", columns: { user_id: "int", n: "int", v: "int", note: "text" }, primaryKey: ["user_id", "n"] },
  { name: "tenants", key: "slug", columns: { slug: "text", v: "int" }, primaryKey: ["slug"] },
  { name: "events", key: "tenant", columns: { tenant: "text", n: "int", note: "text" }, primaryKey: ["tenant", "n"] },
  { name: "products", key: undefined, columns: { pid: "int", title: "text", v: "int" }, primaryKey: ["pid"] },
  { name: "countries", key: undefined, columns: { code: "text", v: "int" }, primaryKey: ["code"] },
];

export const WORLD_SCHEMA = `
CREATE TABLE users (id bigint PRIMARY KEY, name text, age integer);
CREATE TABLE items (user_id bigint, n integer, v integer, note text, PRIMARY KEY (user_id, n));
CREATE TABLE tenants (slug text PRIMARY KEY, v integer);
CREATE TABLE events (tenant text, n integer, note text, PRIMARY KEY (tenant, n));
CREATE TABLE products (pid serial PRIMARY KEY, title text, v integer);
CREATE TABLE countries (code text PRIMARY KEY, v integer);
`;

/** Enough rows that each shard has some of each table, and few enough values that all kinds of conditions meet some. */
export const WORLD_ROWS: Readonly<Record<string, readonly (readonly (string | number | null)[])[]>> = {
  users: Array.from({ length: 10 }, (_, id) => [id, id % 4 === 3 ? null : "abcd"[id % 3]!, id % 5 === 4 ? null : (id * 7) % 6]),
  items: Array.from({ length: 26 }, (_, row) => [(row * 5) % 12, row % 7, row % 6 === 5 ? null : (row * 3) % 8, row % 4 === 1 ? null : "abcdef"[row % 5]!]),
  tenants: Array.from({ length: 8 }, (_, row) => ["abcdefgh"[row]!, row % 5 === 2 ? null : row % 4]),
  events: Array.from({ length: 20 }, (_, row) => ["abcdefghij"[(row * 3) % 10]!, row % 5, row % 3 === 1 ? null : "abc"[row % 3]!]),
  products: Array.from({ length: 7 }, (_, row) => [row + 1, "abcdefg"[row]!, row % 3 === 2 ? null : row]),
  countries: Array.from({ length: 5 }, (_, row) => ["abcde"[row]!, row % 4 === 3 ? null : row]),
};

const HASHED = { hasher: "postgres", mapping: [] } as const;

export const WORLD_RULES: ShardingRules = {
  tables: [
    { name: "users", column: "id", dataType: "bigint", ...HASHED },
    { name: "items", column: "user_id", dataType: "bigint", ...HASHED },
    { name: "tenants", column: "slug", dataType: "varchar", ...HASHED },
    { name: "events", column: "tenant", dataType: "varchar", ...HASHED },
  ],
  schemas: [],
  omnisharded: [],
};
