import { describe, expect, it } from "vitest";
import { type ConstraintsWithinShards, type Placement, withinShards } from "../../src/schema/constraints-within-shards.js";
import { planSchema } from "../../src/schema/plan-schema.js";

const BY_USER: Placement = { kind: "key", column: "user_id", rule: "hash of bigint" };
const PLACES: Readonly<Record<string, Placement>> = {
  users: { kind: "key", column: "id", rule: "hash of bigint" },
  orders: BY_USER,
  items: BY_USER,
  devices: { kind: "key", column: "user_id", rule: "hash of uuid" },
  countries: { kind: "everywhere" },
  audit: { kind: "shard", shard: 1 },
  log: { kind: "shard", shard: 1 },
  notes: { kind: "shard", shard: 0 },
};

async function within(sql: string): Promise<ConstraintsWithinShards> {
  const tables = ["users", "orders", "items", "devices", "countries", "audit", "log", "notes", "local"].map((name) => `CREATE TABLE public.${name} (id bigint, user_id bigint, country_id bigint, a bigint, b bigint);`).join("\n");
  return withinShards(await planSchema(`${tables}\n${sql}`), ({ name }) => PLACES[name]);
}

const foreignKey = (table: string, columns: string, referenced: string): string => `ALTER TABLE ONLY public.${table} ADD CONSTRAINT "f k" FOREIGN KEY (${columns}) REFERENCES public.${referenced};`;

describe("foreign keys on shards", () => {
  it.each([
    ["the sharding key refers to the parent's", "orders", "user_id", "users(id)"],
    ["so among other columns", "items", "a, user_id", "orders(id, user_id)"],
    ["both have the same sharding key, which the foreign key does not name", "items", "a", "orders(id)"],
    ["the parent is on every shard", "users", "country_id", "countries(id)"],
    ["the child is on one shard, the parent on every one", "audit", "country_id", "countries(id)"],
    ["both are on the same shard", "audit", "a", "log(id)"],
    ["both are on every shard", "countries", "a", "countries(id)"],
    ["nobody brings rows to the child", "local", "a", "users(id)"],
  ])("hold where %s", async (_, table, columns, referenced) => {
    const { plan, notes } = await within(foreignKey(table, columns, referenced));
    expect(plan.statements.find(({ kind }) => kind === "foreign key")).toMatchObject({ phase: "post" });
    expect(notes).toEqual([]);
  });

  it.each([
    ["the child is on every shard and the parent is not", "countries", "a", "users(id)", "countries is on every shard, users is not"],
    ["the parent goes by another column", "orders", "a", "users(id)", "orders goes by user_id, and has the id of users in a"],
    ["a tree's rows refer to others of their table", "users", "a", "users(id)", "users goes by id, and has the id of users in a"],
    ["the parent's sharding key is in another column than the child's of the same name", "items", "a", "orders(user_id)", "items goes by user_id, and has the user_id of orders in a"],
    ["the sharding key refers to something else", "items", "user_id", "orders(id)", "items goes by user_id, orders by user_id"],
    ["the rules differ", "devices", "user_id", "users(id)", "devices and users are sharded by different rules"],
    ["the shards differ", "audit", "a", "notes(id)", "audit and notes are on different shards"],
    ["one goes by a key, the other does not", "audit", "user_id", "users(id)", "audit and users are on different shards"],
    ["the parent is not published", "orders", "a", "local(id)", "local is not published, so that its rows are on no shard"],
  ])("are left out, with their comments, where %s", async (_, table, columns, referenced, reason) => {
    const comment = `COMMENT ON CONSTRAINT "f k" ON public.${table} IS 'gone';`;
    const { plan, notes } = await within(`${foreignKey(table, columns, referenced)}\n${comment}\nCOMMENT ON COLUMN public.${table}.a IS 'kept';`);
    expect(plan.statements.map(({ kind, phase }) => `${kind} ${phase}`).slice(-3)).toEqual(["comment pre", "foreign key skip", "comment skip"]);
    expect(plan.statements).toHaveLength(12);
    expect(notes).toEqual([`Left out, for the row they refer to may be on another shard: 1 foreign key: ${table}.f k (${reason}).`]);
  });
});

describe("unique keys on shards", () => {
  it("are told of where they do not contain the sharding key", async () => {
    const { plan, notes } = await within(`
      ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
      ALTER TABLE ONLY public.items ADD CONSTRAINT items_pkey PRIMARY KEY (user_id, id);
      ALTER TABLE ONLY public.items ADD CONSTRAINT items_a UNIQUE (a, b);
      ALTER TABLE ONLY public.countries ADD CONSTRAINT countries_pkey PRIMARY KEY (id);
      CREATE UNIQUE INDEX users_lower ON public.users USING btree (a, ((b + 1))) WHERE (a > 0);
      CREATE UNIQUE INDEX users_all ON public.users USING btree (id, a);
      CREATE INDEX users_a ON public.users USING btree (a);`);
    expect(notes).toEqual(["Unique on each shard only, for they do not contain the sharding key: 3 keys: orders.orders_pkey (id), items.items_a (a, b), users.users_lower (a)."]);
    expect(plan.statements.filter(({ phase }) => phase === "skip")).toEqual([]);
  });
});
