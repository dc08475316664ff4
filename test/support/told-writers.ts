import pg from "pg";
import postgres from "postgres";
import { moment } from "./moment.js";

/* Applications that remember what they were told, on a database of users with a table of entries by user. */

/** Key columns: `users.id`, `entries.user_id`; `counters` is on every shard. `notes` draws its ids from a sequence. */
export const TOLD_SCHEMA = `
  CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
  CREATE TABLE entries (user_id bigint NOT NULL REFERENCES users (id), writer int NOT NULL, number int NOT NULL, PRIMARY KEY (user_id, writer, number));
  CREATE TABLE notes (id bigserial PRIMARY KEY, user_id bigint NOT NULL REFERENCES users (id), writer int NOT NULL, number int NOT NULL);
  CREATE TABLE counters (writer int PRIMARY KEY, number int NOT NULL);
  INSERT INTO users SELECT id, 'user ' || id FROM generate_series(1, 1000) AS id;
  INSERT INTO counters SELECT writer, -1 FROM generate_series(0, 99) AS writer;
  CREATE PUBLICATION all_tables FOR ALL TABLES`;

/** The rules of a database with this schema. */
export function toldShardingToml(database: string): string {
  return [["users", "id"], ["entries", "user_id"], ["notes", "user_id"]]
    .map(([table, column]) => `[[sharded_tables]]\ndatabase = "${database}"\nname = "${table}"\ncolumn = "${column}"\ndata_type = "bigint"\n`).join("\n");
}

const USERS = 1000;

/** One transaction of an application: rows of `parts` users and perhaps of `notes`, each with the writer's number and its own. */
interface Application {
  readonly kind: string;
  /** Users that get an entry. */
  readonly parts: number;
  readonly note?: boolean;
  readonly counter?: boolean;
  transaction(number: number): Promise<void>;
  end(): Promise<void>;
}

/** What rows of a transaction there are, by writer and number. */
export interface ToldRows {
  readonly entries: ReadonlyMap<string, number>;
  readonly notes: ReadonlyMap<string, number>;
  readonly noteIds: readonly string[];
  readonly counters: ReadonlyMap<number, number>;
}

export interface ToldWritersOptions {
  readonly login: { readonly host: string; readonly port: number; readonly user: string; readonly password: string; readonly database: string };
  readonly writers: number;
  /**
   * Transactions may fail, as when the gateway is killed: the writer connects again once this has resolved, and does not
   * know of what it was told nothing.
   */
  readonly mayBreak?: () => Promise<void>;
  /** Milliseconds that each thinks between two transactions: at full speed they leave nothing of the machine to those that they wait for. */
  readonly thinks?: number;
}

const THINKS = 10;

interface Writer {
  readonly parts: number;
  readonly note: boolean;
  readonly counter: boolean;
  readonly told: Set<number>;
  readonly inDoubt: Set<number>;
  /** Number of its next transaction. */
  next: number;
}

/** Writers that go on until `stop`. */
export class ToldWriters {
  readonly #options: ToldWritersOptions;
  readonly #writers: Writer[] = [];
  #running: Promise<unknown> = Promise.resolve();
  #stopping = false;
  #longest = 0;
  #transactions = 0;

  private constructor(options: ToldWritersOptions) {
    this.#options = options;
  }

  /** Resolves when each has connected. */
  static async start(options: ToldWritersOptions): Promise<ToldWriters> {
    const writers = new ToldWriters(options);
    await writers.goOn();
    return writers;
  }

  /** Writes again after `stop`. Resolves when each writer has connected. */
  async goOn(): Promise<void> {
    const applications = await Promise.all(Array.from({ length: this.#options.writers }, (_, writer) => connectApplication(this.#options, writer)));
    this.#stopping = false;
    this.#running = Promise.all(applications.map(async (application, writer) => {
      await this.#write(application, writer);
    }));
    this.#running.catch(() => undefined);
  }

  /** Transactions that were told of. */
  get transactions(): number {
    return this.#transactions;
  }

  /** Milliseconds of the longest transaction since the last call. */
  takeLongest(): number {
    const longest = this.#longest;
    this.#longest = 0;
    return longest;
  }

  /** Resolves when so many more have been told of; fails as soon as a writer does. */
  async more(transactions: number): Promise<void> {
    const wanted = this.#transactions + transactions;
    await this.during(async () => {
      while (this.#transactions < wanted) await moment();
    });
  }

  /** Does something else; fails as soon as a writer does. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const ended = this.#running.then(() => {
      throw new Error("the writers have ended");
    });
    return await Promise.race([work(), ended]);
  }

  /** Fails with the first error of a writer. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** What is wrong with the rows: lost, doubled, never told of, in parts. To be called when writers have stopped. */
  faults({ entries, notes, noteIds, counters }: ToldRows): string[] {
    const faults: string[] = [];
    const rows = new Map([...entries.keys(), ...notes.keys()].map((key) => [key, true]));
    for (const [writer, { told, inDoubt, parts, note, counter }] of this.#writers.entries()) {
      for (const number of told) {
        const key = `${writer}/${number}`;
        if (entries.get(key) !== parts) faults.push(`${key}: ${entries.get(key) ?? 0} of ${parts} entries`);
        if (note && notes.get(key) !== 1) faults.push(`${key}: ${notes.get(key) ?? 0} notes`);
        rows.delete(key);
      }
      for (const number of inDoubt) {
        const key = `${writer}/${number}`;
        if (![undefined, parts].includes(entries.get(key)) || (note && (entries.get(key) === undefined) !== (notes.get(key) === undefined))) faults.push(`${key}: in parts`);
        rows.delete(key);
      }
      const last = counters.get(writer) ?? -1;
      if (counter && (last < Math.max(-1, ...told) || !(last === -1 || told.has(last) || inDoubt.has(last)))) faults.push(`${writer}: its counter is ${last}`);
    }
    for (const key of rows.keys()) faults.push(`${key}: never told of`);
    if (new Set(noteIds).size !== noteIds.length) faults.push("ids were drawn twice");
    return faults;
  }

  async #write(first: Application, writer: number): Promise<void> {
    const own = (this.#writers[writer] ??= { parts: first.parts, note: first.note === true, counter: first.counter === true, told: new Set(), inDoubt: new Set(), next: 0 });
    const { told, inDoubt } = own;
    const { thinks = THINKS } = this.#options;
    let application: Application | undefined = first;
    while (!this.#stopping) {
      const number = own.next++;
      try {
        application ??= await connectApplication(this.#options, writer);
        const began = performance.now();
        inDoubt.add(number);
        await application.transaction(number);
        inDoubt.delete(number);
        told.add(number);
        this.#transactions++;
        this.#longest = Math.max(this.#longest, performance.now() - began);
        if (thinks > 0) await new Promise((resolve) => setTimeout(resolve, thinks));
      } catch (error) {
        if (this.#options.mayBreak === undefined) throw new Error(`writer ${writer} (${first.kind}): ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        if (application === undefined) inDoubt.delete(number);
        await application?.end().catch(() => undefined);
        application = undefined;
        await this.#options.mayBreak();
        await moment();
      }
    }
    await application?.end().catch(() => undefined);
  }
}

/** Reads what `ToldWriters.faults` looks at, of all shards of a database: where a table is on each of them, of the first. */
export async function readTold(shards: readonly pg.Client[]): Promise<ToldRows> {
  const sides = await Promise.all(shards.map(async (client) => ({
    entries: (await client.query<{ writer: number; number: number }>("SELECT writer, number FROM entries")).rows,
    notes: (await client.query<{ id: string; writer: number; number: number }>("SELECT id, writer, number FROM notes")).rows,
    counters: (await client.query<{ writer: number; number: number }>("SELECT writer::int, number FROM counters ORDER BY writer")).rows,
  })));
  const counted = (rows: readonly { readonly writer: number; readonly number: number }[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const { writer, number } of rows) counts.set(`${writer}/${number}`, (counts.get(`${writer}/${number}`) ?? 0) + 1);
    return counts;
  };
  const [copies, ...others] = sides.map(({ counters }) => JSON.stringify(counters));
  if (others.some((other) => other !== copies)) throw new Error(`counters differ from shard to shard: ${[copies, ...others].join("; ")}`);
  const notes = sides.flatMap((side) => side.notes);
  return {
    entries: counted(sides.flatMap((side) => side.entries)),
    notes: counted(notes),
    noteIds: notes.map(({ id }) => id),
    counters: new Map(sides[0]!.counters.map(({ writer, number }) => [writer, number])),
  };
}

/** Which of the kinds a writer is follows from its number. */
async function connectApplication({ login }: ToldWritersOptions, writer: number): Promise<Application> {
  const users = (number: number, count: number): number[] => Array.from({ length: count }, (_, index) => ((writer * 131 + number * 7 + index * 337) % USERS) + 1);
  if (writer % KINDS === KINDS - 1) {
    const sql = postgres({ ...login, max: 1, onnotice: () => undefined, connection: { application_name: `writer ${writer}` } });
    try {
      await sql`SELECT 1`;
    } catch (error) {
      await sql.end({ timeout: 0 });
      throw error;
    }
    return {
      kind: "postgres.js, a transaction of one shard", parts: 1,
      async transaction(number) {
        const [user] = users(number, 1);
        // Its own begin() writes ROLLBACK to a connection that is lost, and fails where nobody can catch it.
        await sql`BEGIN`;
        await sql`INSERT INTO entries VALUES (${user!}, ${writer}, ${number})`;
        await sql`COMMIT`;
      },
      end: async () => { await sql.end({ timeout: 1 }); },
    };
  }
  const client = new pg.Client({ ...login, application_name: `writer ${writer}` });
  client.on("error", () => undefined);
  await client.connect();
  const end = async (): Promise<void> => { await client.end(); };
  const insert = async (user: number, number: number): Promise<void> => {
    await client.query({ name: "entry", text: "INSERT INTO entries VALUES ($1, $2, $3)", values: [user, writer, number] });
  };
  switch (writer % KINDS) {
    case 0:
      return {
        kind: "a transaction of one shard, with prepared statements", parts: 1, note: true, end,
        async transaction(number) {
          const [user] = users(number, 1);
          await client.query("BEGIN");
          await client.query({ name: "lock", text: "SELECT name FROM users WHERE id = $1 FOR NO KEY UPDATE", values: [user] });
          await insert(user!, number);
          await client.query({ name: "note", text: "INSERT INTO notes (user_id, writer, number) VALUES ($1, $2, $3)", values: [user, writer, number] });
          await client.query("COMMIT");
        },
      };
    case 1:
      return {
        kind: "a transaction of several shards", parts: 3, end,
        async transaction(number) {
          await client.query("BEGIN");
          for (const user of users(number, 3)) await insert(user, number);
          await client.query("COMMIT");
        },
      };
    case 2:
      return {
        kind: "a statement of one shard, read again", parts: 1, end,
        async transaction(number) {
          const [user] = users(number, 1);
          await insert(user!, number);
          const { rowCount } = await client.query({ name: "read", text: "SELECT FROM entries WHERE user_id = $1 AND writer = $2 AND number = $3", values: [user, writer, number] });
          if (rowCount !== 1) throw new Error(`the row ${writer}/${number} is not there`);
        },
      };
    case 3:
      return {
        kind: "one text that is split, in a transaction of its own", parts: 2, end,
        async transaction(number) {
          await client.query(`INSERT INTO entries (user_id, writer, number) VALUES ${users(number, 2).map((user) => `(${user}, ${writer}, ${number})`).join(", ")}`);
        },
      };
    default:
      return {
        kind: "a table on every shard", parts: 1, counter: true, end,
        async transaction(number) {
          const [user] = users(number, 1);
          await client.query("BEGIN");
          await client.query({ name: "count", text: "UPDATE counters SET number = $2 WHERE writer = $1", values: [writer, number] });
          await insert(user!, number);
          await client.query("COMMIT");
        },
      };
  }
}

/** Kinds of applications; as many writers have one of each. */
export const KINDS = 6;
