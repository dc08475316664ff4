import type pg from "pg";
import { backendOf } from "../../src/postgres/connection.js";
import type { CutoverSettings, Pipeline } from "../../src/config/types.js";
import { keyRouter } from "../../src/sharding/key-router.js";
import { Gate } from "./gated-traffic.js";
import type { PlacedTable } from "./oracle.js";
import { addressOf, hashed, makePipeline, type Place } from "./pipeline.js";
import { newShards } from "./shop.js";
import { moment } from "./moment.js";

/* An application that is moved while it writes: sequences, a table without key, one that is everywhere, and totals that each transaction adds to. */

const OWNERS = 20;

export const APP_SCHEMA = `
  CREATE TABLE owners (id bigint PRIMARY KEY, name text NOT NULL, total bigint NOT NULL DEFAULT 0);
  CREATE TABLE entries (id serial, owner bigint NOT NULL REFERENCES owners, writer integer NOT NULL, number integer NOT NULL, PRIMARY KEY (id));
  CREATE INDEX entries_owner ON entries (owner);
  CREATE TABLE lines (owner bigint NOT NULL, line text);
  ALTER TABLE lines REPLICA IDENTITY FULL;
  CREATE TABLE kinds (id integer PRIMARY KEY, title text);
  CREATE PUBLICATION everything FOR ALL TABLES;
  INSERT INTO kinds VALUES (1, 'one'), (2, 'two');
`;

export const APP_RULES = { tables: [hashed("id", "bigint", { name: "owners" }), hashed("owner", "bigint")] };

const byOwner = { kind: "hash", column: "owner", type: "bigint" } as const;
export const APP_TABLES: readonly PlacedTable[] = [
  ...["entries", "lines"].map((name) => ({ schema: "public", name, placement: byOwner })),
  { schema: "public", name: "owners", placement: { kind: "hash", column: "id", type: "bigint" } },
  { schema: "public", name: "kinds", placement: { kind: "everywhere" } },
];

/** What writers go through. */
export interface Entrance {
  readonly processes: Set<number>;
  enter(): Promise<string>;
  leave(): void;
}

export interface App {
  readonly pipeline: Pipeline;
  readonly gate: Gate;
  readonly source: readonly Place[];
  readonly shards: readonly Place[];
  /** By name of the database. */
  readonly sides: Readonly<Record<string, readonly Place[]>>;
}

export interface AppParts {
  readonly from?: number;
  readonly to?: number;
  /** The shards'; the source's where absent, whose snapshots then wait for what is being written to the shards. */
  readonly shardCluster?: Place["cluster"];
  readonly cutover?: Partial<CutoverSettings>;
  readonly stages?: Pipeline["stages"];
}

const router = (shards: number): ((owner: number) => number) => {
  const route = keyRouter({ dataType: "bigint", hasher: "postgres", mapping: [] }, shards);
  return (owner) => {
    const key = Buffer.alloc(8);
    key.writeBigInt64BE(BigInt(owner));
    return route(key, 0, 8);
  };
};

/** Makes source and empty shards. */
export async function makeApp(cluster: Place["cluster"], name: string, { from = 1, to = 2, shardCluster = cluster, cutover = {}, stages }: AppParts = {}): Promise<App> {
  const source = await newShards(cluster, `${name}_old`, from);
  const shards = await newShards(shardCluster, `${name}_new`, to);
  const shardOf = router(from);
  for (const [shard, place] of source.entries()) {
    const client = await cluster.connect(place.database);
    await client.query(APP_SCHEMA);
    await client.query("INSERT INTO owners (id, name) SELECT id, 'Owner ' || id FROM unnest($1::bigint[]) AS id", [Array.from({ length: OWNERS }, (_, owner) => owner + 1).filter((owner) => shardOf(owner) === shard)]);
    if (from > 1) await client.query(`ALTER SEQUENCE entries_id_seq START ${shard + 1} RESTART INCREMENT BY ${from}`);
    await client.end();
  }
  const pipeline = makePipeline({
    from: source.map((place) => addressOf(place)), fromSharding: from > 1 ? APP_RULES : {}, to: shards.map((place) => addressOf(place)),
    publication: "everything", sharding: APP_RULES, name: `${name}_new`, cutover, ...(stages === undefined ? {} : { stages }),
  });
  return { pipeline, gate: new Gate(pipeline.from.name), source, shards, sides: { [pipeline.from.name]: source, [pipeline.to.name]: shards } };
}

interface Sessions {
  readonly clients: readonly pg.Client[];
  readonly shardOf: (owner: number) => number;
}

/** Writers that go through a gate, each transaction told to be committed is kept in mind. */
export class AppWriters {
  readonly acknowledged = new Set<string>();
  /** Milliseconds that each entrance took which took longest. */
  longestWait = 0;
  #stopped = false;
  #loops: Promise<void>[] = [];
  #done = 0;
  readonly #sessions: pg.Client[] = [];
  readonly #gate: Entrance;
  static #numbers = 0;

  private constructor(gate: Entrance) {
    this.#gate = gate;
  }

  static async start(app: App, writers = 4, gate: Entrance = app.gate): Promise<AppWriters> {
    const all = new AppWriters(gate);
    for (let writer = 0; writer < writers; writer++) {
      const sides = new Map<string, Sessions>();
      for (const [name, places] of Object.entries(app.sides)) {
        const clients = await Promise.all(places.map(({ cluster, database }) => cluster.connect(database)));
        all.#sessions.push(...clients);
        for (const client of clients) gate.processes.add(backendOf(client)!);
        sides.set(name, { clients, shardOf: router(places.length) });
      }
      all.#loops.push(all.#write(++AppWriters.#numbers, sides));
    }
    for (const loop of all.#loops) loop.catch(() => undefined);
    return all;
  }

  /** Waits until so many more transactions were acknowledged. */
  async more(transactions: number): Promise<void> {
    const until = this.#done + transactions;
    while (this.#done < until) await Promise.race([...this.#loops, moment()]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    try {
      await Promise.all(this.#loops);
    } finally {
      await Promise.all(this.#sessions.map((client) => client.end()));
    }
  }

  async #write(writer: number, sides: ReadonlyMap<string, Sessions>): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      const owner = 1 + ((writer * 7 + number) % OWNERS);
      const asked = performance.now();
      const { clients, shardOf } = sides.get(await this.#gate.enter())!;
      this.longestWait = Math.max(this.longestWait, performance.now() - asked);
      try {
        const client = clients[shardOf(owner)]!;
        await client.query("BEGIN");
        await client.query("INSERT INTO entries (owner, writer, number) VALUES ($1, $2, $3)", [owner, writer, number]);
        await client.query("INSERT INTO lines VALUES ($1, $2)", [owner, `line ${number % 3}`]);
        await client.query("UPDATE owners SET total = total + 1 WHERE id = $1", [owner]);
        await client.query("COMMIT");
        this.acknowledged.add(`${writer} ${number}`);
        this.#done++;
      } finally {
        this.#gate.leave();
      }
      // At full speed they leave nothing of the machine to what is tested.
      await moment();
    }
  }
}

/** What is wrong on a side, given all that was acknowledged: what is missing, and what is there twice or was never told. */
export async function wrongEntries(places: readonly Place[], acknowledged: ReadonlySet<string>): Promise<string[]> {
  const wrong: string[] = [];
  const left = new Set(acknowledged);
  let totals = 0;
  let lines = 0;
  for (const { cluster, database } of places) {
    const client = await cluster.connect(database);
    const { rows } = await client.query<{ name: string }>("SELECT writer || ' ' || number AS name FROM entries");
    for (const { name } of rows) if (!left.delete(name)) wrong.push(`${database}: ${name} is there twice, or was never told to be`);
    const { rows: sums } = await client.query<{ total: number; lines: number }>("SELECT COALESCE(sum(total), 0)::int4 AS total, (SELECT count(*)::int4 FROM lines) AS lines FROM owners");
    totals += sums[0]!.total;
    lines += sums[0]!.lines;
    await client.end();
  }
  if (totals !== acknowledged.size) wrong.push(`the totals are ${totals}, not ${acknowledged.size}`);
  if (lines !== acknowledged.size) wrong.push(`there are ${lines} lines, not ${acknowledged.size}`);
  return [...wrong, ...[...left].map((name) => `${name} is missing`)];
}
