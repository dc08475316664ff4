import type pg from "pg";
import { type Random, seededRandom } from "../../src/demo/random.js";
import { keyRouter } from "../../src/sharding/key-router.js";
import { hashed, type Place } from "./pipeline.js";
import { moment } from "./moment.js";

/** Tables of a source that is sharded by tenant already; every shard has them. The key of `items` becomes bigint. */
export const SHARDED_SCHEMA = `
  CREATE TABLE orders (tenant bigint, id bigint, note text, PRIMARY KEY (tenant, id));
  CREATE TABLE items (id integer PRIMARY KEY, tenant bigint NOT NULL, doc text, big text);
  ALTER TABLE items ALTER big SET STORAGE EXTERNAL;
  CREATE TABLE logs (id bigint PRIMARY KEY, tenant bigint NOT NULL, line text);
  ALTER TABLE logs REPLICA IDENTITY FULL;
  CREATE TABLE settings (name text PRIMARY KEY, value text);
  CREATE PUBLICATION p FOR ALL TABLES;`;

export const SHARDED_RULES = { tables: [hashed("tenant", "bigint")] };

export const SHARDED_PLACEMENTS = [
  ...["orders", "items", "logs"].map((name) => ({ schema: "public", name, placement: { kind: "hash", column: "tenant", type: "bigint" } as const })),
  { schema: "public", name: "settings", placement: { kind: "everywhere" } as const },
];

const TENANTS = 40;

/** One who writes to a sharded source as a proxy would: to the shard of the tenant, and to all where a table is everywhere. */
export class ShardedWriter {
  readonly #clients: readonly pg.Client[];
  readonly #random: Random;
  readonly #sourceOf: (tenant: number) => number;
  /** Where every item is by now. */
  readonly #items = new Map<number, number>();
  #next = 1;
  #done = 0;
  #stopped = false;
  #calm = false;
  #loop: Promise<void> | undefined;

  private constructor(clients: readonly pg.Client[], seed: number) {
    this.#clients = clients;
    this.#random = seededRandom(seed);
    const route = keyRouter({ dataType: "bigint", hasher: "postgres", mapping: [] }, clients.length);
    this.#sourceOf = (tenant) => {
      const key = Buffer.alloc(8);
      key.writeBigInt64BE(BigInt(tenant));
      return route(key, 0, 8);
    };
  }

  static async open(sources: readonly Place[], seed: number): Promise<ShardedWriter> {
    return new ShardedWriter(await Promise.all(sources.map(({ cluster, database }) => cluster.connect(database))), seed);
  }

  async load(items: number): Promise<void> {
    for (let item = 0; item < items; item++) await this.#insert();
    for (let name = 0; name < 20; name++) await this.#everywhere(`INSERT INTO settings VALUES ('s${name}', 'v')`);
  }

  start(): void {
    this.#loop = (async () => {
      while (!this.#stopped) {
        await this.write();
        await moment();
      }
    })();
    this.#loop.catch(() => undefined);
  }

  /** Waits until so many more transactions were written. */
  async more(transactions: number): Promise<void> {
    const until = this.#done + transactions;
    while (this.#done < until && !this.#stopped) await Promise.race([this.#loop, moment()]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    await Promise.all(this.#clients.map((client) => client.end()));
  }

  /** No more rows between source shards, and no TRUNCATE: what a comparison under way would have to repeat for. */
  calm(): void {
    this.#calm = true;
  }

  async write(): Promise<void> {
    const random = this.#random;
    const kind = random.integer(1, this.#calm ? 75 : 100);
    if (kind <= 30 || this.#items.size === 0) await this.#insert();
    else {
      const id = random.pick([...this.#items.keys()]);
      const tenant = this.#items.get(id)!;
      const source = this.#clients[this.#sourceOf(tenant)]!;
      if (kind <= 60) await source.query("UPDATE items SET doc = $2 WHERE id = $1", [id, `u${this.#done}`]);
      else if (kind <= 65) await source.query("UPDATE logs SET line = $2 WHERE id = $1", [id, `u${this.#done}`]);
      else if (kind <= 75) {
        await source.query("BEGIN");
        await source.query("DELETE FROM items WHERE id = $1", [id]);
        await source.query("DELETE FROM logs WHERE id = $1", [id]);
        await source.query("DELETE FROM orders WHERE tenant = $1 AND id = $2", [tenant, id]);
        await source.query("COMMIT");
        this.#items.delete(id);
      } else if (kind <= 95) await this.#move(id, tenant);
      else if (kind <= 97) await this.#everywhere(`UPDATE settings SET value = 'u${this.#done}' WHERE name = 's${random.integer(0, 19)}'`);
      else if (kind === 98) await this.#everywhere("TRUNCATE logs");
      else await source.query("UPDATE items SET id = $2 WHERE id = $1", [id, (this.#items.set(this.#next, tenant), this.#items.delete(id), this.#next++)]);
    }
    this.#done++;
  }

  async #insert(): Promise<void> {
    const id = this.#next++;
    const tenant = this.#random.integer(1, TENANTS);
    const source = this.#clients[this.#sourceOf(tenant)]!;
    await source.query("BEGIN");
    await source.query("INSERT INTO items VALUES ($1, $2, 'new', $3)", [id, tenant, `${id} `.repeat(800)]);
    await source.query("INSERT INTO logs VALUES ($1, $2, 'new')", [id, tenant]);
    await source.query("INSERT INTO orders VALUES ($2, $1, 'new')", [id, tenant]);
    await source.query("COMMIT");
    this.#items.set(id, tenant);
  }

  /** An item gets another tenant: within its source shard by an UPDATE, else by one transaction on each, either first. */
  async #move(id: number, tenant: number): Promise<void> {
    const to = this.#random.integer(1, TENANTS);
    const [from, into] = [this.#sourceOf(tenant), this.#sourceOf(to)];
    this.#items.set(id, to);
    const source = this.#clients[from]!;
    if (from === into) {
      await source.query("UPDATE items SET tenant = $2, doc = $3 WHERE id = $1", [id, to, `m${this.#done}`]);
      return;
    }
    const { rows } = await source.query<{ big: string }>("SELECT big FROM items WHERE id = $1", [id]);
    const put = async (): Promise<unknown> => await this.#clients[into]!.query("INSERT INTO items VALUES ($1, $2, $3, $4)", [id, to, `m${this.#done}`, rows[0]!.big]);
    if (this.#random.integer(0, 1) === 0) await put();
    await source.query("DELETE FROM items WHERE id = $1", [id]);
    if ((await this.#clients[into]!.query("SELECT FROM items WHERE id = $1", [id])).rowCount === 0) await put();
  }

  async #everywhere(sql: string): Promise<void> {
    for (const client of this.#clients) await client.query(sql);
  }
}
