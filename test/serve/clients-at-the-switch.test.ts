import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bind, describeStatement, execute, int8, parse, sync, talk } from "../gateway/sharded/conversation.js";
import { RawSession } from "../gateway/sharded/raw-session.js";
import { type AdminTask, streamingBack, untilTask } from "../support/admin-tasks.js";
import { startTestCluster } from "../support/cluster.js";
import { keyOf, requestCancel, until, untilRow } from "../support/raw-client.js";
import { APP_PASSWORD, databasesToml, generalToml, Served, ServedFiles, usersToml } from "../support/served.js";
import { moment } from "../support/moment.js";

/*
 * What becomes of a client that is in the middle of something when a database is moved to two shards, and back: the table
 * in docs/operating.md, row by row. All clients are there at the same time, at the same two cutovers.
 */

const SCHEMA = `
  CREATE TYPE mood AS ENUM ('glad', 'sad');
  CREATE TABLE users (id int PRIMARY KEY, name text, mood mood);
  CREATE TABLE entries (user_id int NOT NULL REFERENCES users (id), client text NOT NULL, number int NOT NULL, PRIMARY KEY (user_id, client, number));
  CREATE TABLE alerts (user_id int NOT NULL, words text NOT NULL, PRIMARY KEY (user_id, words));
  CREATE FUNCTION alert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('alerts', NEW.words); RETURN NULL; END $$;
  CREATE TRIGGER alert AFTER INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION alert();
  INSERT INTO users SELECT id, 'user ' || id, 'glad' FROM generate_series(1, 100) AS id;
  CREATE PUBLICATION all_tables FOR ALL TABLES`;

const SHARDING = [["users", "id"], ["entries", "user_id"], ["alerts", "user_id"]]
  .map(([table, column]) => `[[sharded_tables]]\ndatabase = "prod_2x"\nname = "${table}"\ncolumn = "${column}"\ndata_type = "bigint"\n`).join("\n");

/** Between one user's rows and another's is a shard's border: these are on both. */
const USERS = [1, 2, 3, 4, 5, 6, 7, 8];

let served: Served;
let source: pg.Client;
/** Beside the gateway. */
let servers: Readonly<Record<Place, pg.Client>>;

/** Where the database is, by the name of its first server's database. */
type Place = "shop" | "shop_0";

/**
 * A client of one kind, from one of these moments to the next:
 *
 * 1. the database has one server;
 * 2. the gateway holds transactions back, and those that are open may end;
 * 3. it has two shards;
 * 4. held back again;
 * 5. it has one server again.
 */
type Kind = () => AsyncGenerator<void, void>;

async function connect(config: pg.ClientConfig = {}): Promise<pg.Client> {
  return await served.client("prod", config);
}

function driver(options: postgres.Options<Record<string, never>> = {}): postgres.Sql {
  return postgres({ host: "127.0.0.1", port: served.serving.port, user: "app", password: APP_PASSWORD, database: "prod", max: 1, onnotice: () => undefined, ...options });
}

async function where(client: pg.Client): Promise<string> {
  return (await client.query<{ name: string }>("SELECT current_database() AS name")).rows[0]!.name;
}

/** Numbers of the entries of one client, in order. */
async function numbers(client: pg.Client, name: string): Promise<number[]> {
  return (await client.query<{ number: number }>("SELECT number::int FROM entries WHERE client = $1 ORDER BY number, user_id", [name])).rows.map(({ number }) => number);
}

async function enter(client: pg.Client, name: string, number: number, user = USERS[number % USERS.length]!): Promise<void> {
  await client.query("INSERT INTO entries VALUES ($1, $2, $3)", [user, name, number]);
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function deferred(): Deferred {
  let settle!: Omit<Deferred, "promise">;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

/** The session ends, and says why. */
async function endsFor(ended: Promise<unknown[]>, reason: string): Promise<void> {
  expect(await ended).toMatchObject([{ code: "57P01", severity: "FATAL", detail: expect.stringContaining(reason) as unknown }]);
}

/** What a session has to end for, made in one way on one server and in another on shards. */
function unmovable(make: Readonly<Record<Place, string>>, reason: string): Kind {
  return async function* () {
    for (const place of ["shop", "shop_0"] as const) {
      const client = await connect();
      await client.query(make[place]);
      const ended = once(client, "error");
      yield;
      yield;
      await endsFor(ended, reason);
      const again = await connect();
      expect(await where(again)).not.toBe(place);
      await again.end();
    }
  };
}

const KINDS: Readonly<Record<string, Kind>> = {
  async* "a transaction that ends in time"() {
    const client = await connect();
    for (const [at, place] of (["shop", "shop_0"] as const).entries()) {
      await client.query("BEGIN");
      for (const user of USERS) await enter(client, "in time", 2 * at, user);
      yield;
      for (const user of USERS) await enter(client, "in time", 2 * at + 1, user);
      expect(await where(client)).toBe(place);
      await client.query("COMMIT");
      yield;
      expect(await where(client)).not.toBe(place);
      expect(await numbers(client, "in time")).toEqual(Array.from({ length: 2 * at + 2 }, (_, number) => USERS.map(() => number)).flat());
    }
    await client.end();
  },

  async* "a transaction that does not end in time"() {
    for (const number of [0, 1]) {
      const client = await connect();
      await client.query("BEGIN");
      for (const user of USERS) await enter(client, "too late", number, user);
      const ended = once(client, "error");
      yield;
      yield;
      await endsFor(ended, "The transaction was still open");
      const again = await connect();
      expect(await numbers(again, "too late")).toEqual([]);
      await again.end();
    }
  },

  async* "a statement that does not end in time"() {
    const client = await connect();
    for (const place of ["shop", "shop_0"] as const) {
      const sleeping = client.query("INSERT INTO users VALUES (1000, pg_sleep(1000)::text)").catch((error: unknown) => error);
      await untilRow(servers[place], "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
      yield;
      expect(await sleeping).toMatchObject({ code: "57014", severity: "ERROR" });
      yield;
      expect(await where(client)).not.toBe(place);
      expect((await client.query("SELECT FROM users WHERE id = 1000")).rowCount).toBe(0);
    }
    await client.end();
  },

  async* "statements that wait, and who logs in meanwhile"() {
    const client = await connect();
    for (const [at, place] of (["shop", "shop_0"] as const).entries()) {
      yield;
      const waiting = enter(client, "waits", 2 * at);
      const late = await connect();
      const lateToo = enter(late, "waits", 2 * at + 1);
      yield;
      await Promise.all([waiting, lateToo]);
      for (const one of [client, late]) expect(await where(one)).not.toBe(place);
      expect(await numbers(client, "waits")).toEqual(Array.from({ length: 2 * at + 2 }, (_, number) => number));
      await late.end();
    }
    await client.end();
  },

  async* "a client that does nothing"() {
    const [client, sql] = [await connect({ application_name: "does nothing" }), driver({ connection: { application_name: "does nothing" } })];
    const process = keyOf(client);
    await sql`SELECT 1`;
    for (const place of ["shop", "shop_0"] as const) {
      yield;
      yield;
      // It does not stay behind.
      await untilRow(servers[place], "SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'does nothing')");
      expect(await where(client)).not.toBe(place);
      expect((await sql<{ name: string }[]>`SELECT current_database() AS name`)[0]!.name).not.toBe(place);
      // Its key for cancelling is what it was.
      const sleeping = client.query("SELECT pg_sleep(1001)").catch((error: unknown) => error);
      await untilRow(servers[place === "shop" ? "shop_0" : "shop"], "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%1001%'");
      await requestCancel(served.serving.port, process);
      expect(await sleeping).toMatchObject({ code: "57014" });
    }
    await Promise.all([client.end(), sql.end()]);
  },

  async* "prepared statements, with results in text"() {
    const [client, sql] = [await connect(), driver()];
    const insert = { name: "insert", text: "INSERT INTO entries VALUES ($1, 'prepared', $2)" };
    const read = { name: "read", text: "SELECT id, mood FROM users WHERE id = $1 AND mood = $2" };
    const readAgain = (id: number): Promise<{ id: unknown; name: string }[]> => sql`SELECT id::text, name FROM users WHERE id = ${id}`;
    await client.query(`PREPARE by_sql (int, mood) AS SELECT name FROM users WHERE id = $1 AND mood = $2; PREPARE "Of all" AS SELECT count(*) AS rows FROM users`);
    const look = async (number: number): Promise<void> => {
      const int4 = Buffer.alloc(4);
      int4.writeInt32BE(number + 1);
      // A binary int4 stays one, whatever the column is now.
      await client.query({ ...insert, values: [int4, number] });
      expect((await client.query({ ...read, values: [3, "glad"] })).rows.map(({ id, mood }: { id: unknown; mood: string }) => [String(id), mood])).toEqual([["3", "glad"]]);
      expect((await client.query("EXECUTE by_sql (4, 'glad')")).rows).toEqual([{ name: "user 4" }]);
      expect((await client.query('EXECUTE "Of all"')).rows).toEqual([{ rows: "100" }]);
      for (const id of [5, 6]) expect(await readAgain(id)).toEqual([{ id: String(id), name: `user ${id}` }]);
      expect(await numbers(client, "prepared")).toEqual(Array.from({ length: number + 1 }, (_, entry) => entry));
    };
    await look(0);
    for (const number of [1, 2]) {
      yield;
      yield;
      await look(number);
    }
    await Promise.all([client.end(), sql.end()]);
  },

  /** Of which a client would misread what is an int here and a bigint there. */
  async* "prepared statements, with results in binary"() {
    const client = await connect({ binary: true } as pg.ClientConfig);
    const lost: string[] = [];
    client.on("notice", ({ message }) => lost.push(message ?? ""));
    for (const round of [0, 1]) {
      const wider = { name: `wider ${round}`, text: "SELECT id FROM users WHERE id = $1", values: [7] };
      const same = { name: `same ${round}`, text: "SELECT mood FROM users WHERE id = $1", values: [7] };
      expect((await client.query(wider)).rowCount).toBe(1);
      expect((await client.query(same)).rows).toEqual([{ mood: "glad" }]);
      yield;
      yield;
      await expect(client.query(wider)).rejects.toMatchObject({ code: "26000" });
      expect((await client.query(same)).rows).toEqual([{ mood: "glad" }]);
    }
    expect(lost).toEqual([0, 1].map((round) => `the prepared statement "wider ${round}" was lost when the database moved to other servers: cached plan must not change result type`));
    await client.end();
  },

  /** A client that was told of the parameters' types sends them so, also when others are due. */
  async* "prepared statements, of which a client has asked for the parameters' types"() {
    const session = await RawSession.open({ host: "127.0.0.1", port: served.serving.port, user: "app", password: APP_PASSWORD }, "prod");
    const int4 = Buffer.from([0, 0, 0, 5]);
    const name = (row: string): string[] => ["bindComplete", `row ${row}`, "SELECT 1", "ready I"];
    const read = (statement: string, value: Buffer): Promise<string[]> => talk(session, 1, bind([value], { statement }), execute(), sync);
    const prepare = (statement: string): Promise<string[]> => talk(session, 1, parse("SELECT name FROM users WHERE id = $1", statement), describeStatement(statement), sync);
    expect(await prepare("int")).toContain("parameters 23");
    expect(await read("int", int4)).toEqual(name("user 5"));
    yield;
    yield;
    expect(await read("int", int4)).toEqual(name("user 5"));
    expect(await prepare("bigint")).toContain("parameters 20");
    expect(await read("bigint", int8(6))).toEqual(name("user 6"));
    yield;
    yield;
    expect(await read("int", int4)).toEqual(name("user 5"));
    expect(await read("bigint", int8(6))).toEqual(name("user 6"));
    await session.end();
  },

  async* "a cursor in a transaction"() {
    const [client, sql] = [await connect(), driver()];
    for (const place of ["shop", "shop_0"] as const) {
      await client.query("BEGIN; DECLARE rows CURSOR FOR SELECT name FROM users WHERE id = 5 UNION ALL SELECT name FROM users WHERE id = 5");
      expect((await client.query("FETCH 1 FROM rows")).rowCount).toBe(1);
      const [begun, paused] = [deferred(), deferred()];
      const all = sql.begin(async (transaction) => {
        const seen: number[] = [];
        for await (const rows of transaction<{ id: string | number }[]>`SELECT id FROM users ORDER BY id`.cursor(30)) {
          seen.push(...rows.map(({ id }) => Number(id)));
          begun.resolve();
          await paused.promise;
        }
        return seen;
      });
      await Promise.race([begun.promise, all]);
      yield;
      expect((await client.query("FETCH ALL FROM rows")).rows).toEqual([{ name: "user 5" }]);
      await client.query("CLOSE rows; COMMIT");
      paused.resolve();
      expect(await all).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
      yield;
      expect(await where(client)).not.toBe(place);
    }
    await Promise.all([client.end(), sql.end()]);
  },

  "a cursor WITH HOLD": unmovable({ shop: "DECLARE held CURSOR WITH HOLD FOR SELECT id FROM users", shop_0: "DECLARE held CURSOR WITH HOLD FOR SELECT id FROM users WHERE id = 5" }, "it has cursors WITH HOLD"),
  "temporary tables": unmovable({ shop: "CREATE TEMP TABLE own (id int)", shop_0: "/* pgdog_shard: 1 */ CREATE TEMP TABLE own (id int)" }, "it has temporary tables"),
  "an advisory lock of the session": unmovable({ shop: "SELECT pg_advisory_lock(1)", shop_0: "SELECT pg_advisory_lock(2)" }, "it holds advisory locks"),

  async* "an advisory lock of a transaction"() {
    const [client, other] = [await connect(), await connect()];
    for (const place of ["shop", "shop_0"] as const) {
      await client.query("BEGIN; SELECT pg_advisory_xact_lock(3)");
      expect((await other.query("SELECT pg_try_advisory_xact_lock(3) AS got")).rows).toEqual([{ got: false }]);
      yield;
      await client.query("COMMIT");
      yield;
      expect(await where(client)).not.toBe(place);
      expect((await other.query("SELECT pg_try_advisory_xact_lock(3) AS got")).rows).toEqual([{ got: true }]);
    }
    await Promise.all([client.end(), other.end()]);
  },

  async* "COPY FROM under way"() {
    const client = await connect();
    for (const [at, place] of (["shop", "shop_0"] as const).entries()) {
      const copy = client.query(copyFrom("COPY entries FROM STDIN"));
      copy.write(USERS.map((user) => `${user}\tcopied\t${2 * at}\n`).join(""));
      yield;
      copy.end(USERS.map((user) => `${user}\tcopied\t${2 * at + 1}\n`).join(""));
      await once(copy, "finish");
      yield;
      expect(await where(client)).not.toBe(place);
      expect(await numbers(client, "copied")).toEqual(Array.from({ length: 2 * at + 2 }, (_, number) => USERS.map(() => number)).flat());
    }
    await client.end();
  },

  async* "COPY TO under way"() {
    const client = await connect();
    for (const place of ["shop", "shop_0"] as const) {
      // More than what is on the way between server and client.
      const copy = client.query(copyTo("COPY (SELECT repeat('x', 100000) FROM generate_series(1, 300)) TO STDOUT"));
      await once(copy, "readable");
      yield;
      let bytes = 0;
      for await (const chunk of copy) bytes += (chunk as Buffer).length;
      expect(bytes).toBe(300 * 100_001);
      yield;
      expect(await where(client)).not.toBe(place);
    }
    await client.end();
  },

  async* "LISTEN and NOTIFY"() {
    const [listener, speaker, sql] = [await connect(), await connect(), driver()];
    const heard: string[] = [];
    const heardBySql: string[] = [];
    listener.on("notification", ({ channel, payload }) => heard.push(`${channel}: ${payload ?? ""}`));
    await listener.query('LISTEN "Odd news"; LISTEN alerts; LISTEN silence; UNLISTEN silence');
    await sql.listen("alerts", (payload) => heardBySql.push(payload));
    const tell = async (round: string): Promise<void> => {
      heard.length = heardBySql.length = 0;
      await speaker.query(`NOTIFY "Odd news", '${round}'; NOTIFY silence`);
      // By triggers, on whichever shard the row is.
      for (const user of USERS) await speaker.query("INSERT INTO alerts VALUES ($1, $2)", [user, `${round} ${user}`]);
      await speaker.query("SELECT pg_notify('alerts', 'the end')");
      const alerts = [...USERS.map((user) => `${round} ${user}`), "the end"];
      await until(() => heard.length > alerts.length && heardBySql.length >= alerts.length);
      expect([...heard].sort()).toEqual([`Odd news: ${round}`, ...alerts.map((words) => `alerts: ${words}`)].sort());
      expect([...heardBySql].sort()).toEqual([...alerts].sort());
    };
    await tell("before");
    const several = (): Promise<unknown> => speaker.query(`INSERT INTO alerts VALUES ${USERS.map((user) => `(${user}, 'of several')`).join(", ")}`);
    for (const round of ["there", "back"]) {
      yield;
      heard.length = heardBySql.length = 0;
      // The first that goes on is heard already.
      const first = speaker.query(`NOTIFY alerts, 'first'`);
      yield;
      await first;
      await until(() => heard.length > 0 && heardBySql.length > 0);
      expect([...heard, ...heardBySql]).toEqual(["alerts: first", "first"]);
      await tell(round);
      // A transaction that notifies on several shards cannot be prepared.
      if (round === "there") await expect(several()).rejects.toMatchObject({ code: "0A000", message: expect.stringContaining("cannot PREPARE") as unknown });
      else await several();
    }
    await Promise.all([listener.end(), speaker.end(), sql.end()]);
  },

  async* "settings that shards refuse"() {
    const client = await connect();
    await client.query("SET client_encoding = 'LATIN1'");
    const ended = once(client, "error");
    yield;
    yield;
    await endsFor(ended, "client_encoding cannot be LATIN1 on a sharded database");
    yield;
    yield;
  },

  async* "clients that wait for each other on two shards, of which no server knows"() {
    const clients = [await connect(), await connect()];
    const places = new Map<number, number>();
    yield;
    yield;
    for (const user of USERS) if ((await servers.shop_0.query("SELECT FROM users WHERE id = $1", [user])).rowCount === 1) places.set(0, user); else places.set(1, user);
    const change = async (client: pg.Client, shard: number): Promise<unknown> => await client.query("UPDATE users SET name = name WHERE id = $1", [places.get(shard)]);
    for (const [index, client] of clients.entries()) {
      await client.query("BEGIN");
      await change(client, index);
    }
    // cross_shard_lock_timeout is over for one of them, or for both.
    const outcomes = await Promise.allSettled(clients.map((client, index) => change(client, 1 - index)));
    const failed = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(failed.length).toBeGreaterThan(0);
    for (const { reason } of failed) expect(reason).toMatchObject({ code: "55P03" });
    await Promise.all(clients.map((client) => client.query("ROLLBACK")));
    yield;
    yield;
    await Promise.all(clients.map((client) => client.end()));
  },

  async* "settings, role, search_path and application_name"() {
    const client = await connect({ options: "-c work_mem=7MB", application_name: "first name" });
    await client.query(`SET search_path = stock, public; SET statement_timeout = '77s'; SET TimeZone = 'Asia/Tokyo'; SET app.tenant = 'é ''5'''; SET ROLE clerk; SET application_name = 'second name'`);
    const shown = async (): Promise<unknown> => (await client.query(`SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout, current_setting('TimeZone') AS zone,
      current_setting('app.tenant') AS tenant, current_user::text AS role, session_user::text AS login, current_setting('application_name') AS name, current_setting('work_mem') AS memory`)).rows[0];
    const before = await shown();
    expect(before).toMatchObject({ role: "clerk", memory: "7MB", name: "second name" });
    for (const round of [0, 1]) {
      yield;
      yield;
      expect(await shown()).toEqual(before);
      // On each shard, and by the search_path that was set.
      for (const id of USERS) expect((await client.query<{ zone: string }>("SELECT current_setting('TimeZone') AS zone FROM items WHERE id = $1", [id])).rows).toEqual([{ zone: "Asia/Tokyo" }]);
      if (round === 1) await client.query("RESET ALL; RESET ROLE");
    }
    expect(await shown()).toMatchObject({ timeout: "0", memory: "7MB", name: "first name", role: "postgres" });
    await client.end();
  },
};

/** Outcomes, by kind. */
const outcomes = new Map<string, Promise<void>>();
let givenUp: string;

beforeAll(async () => {
  // Slots of the way back, on the shards' server, would wait for the transactions that are open here.
  const [old, fresh] = await Promise.all([startTestCluster(), startTestCluster({ settings: { max_prepared_transactions: 20 } })]);
  const places = [0, 1].map((number) => ({ cluster: fresh, database: `shop_${number}` }));
  await Promise.all([old.createDatabase("shop"), fresh.createDatabase("shop_0").then(() => fresh.createDatabase("shop_1"))]);
  source = await old.connect("shop");
  servers = { shop: source, shop_0: await fresh.connect("shop_0") };
  await source.query(SCHEMA);
  await servers.shop_0.query("CREATE ROLE clerk; GRANT clerk TO postgres");
  await source.query(`CREATE ROLE clerk; CREATE SCHEMA stock; CREATE TABLE stock.items (id int PRIMARY KEY); INSERT INTO stock.items SELECT generate_series(1, 100);
    GRANT ALL ON SCHEMA stock TO clerk; GRANT ALL ON ALL TABLES IN SCHEMA stock TO clerk; GRANT clerk TO postgres`);
  // The comparison before a pause would wait for the transactions that are open here.
  const toml = (drain: string): string => `${generalToml(`two_phase_commit = true\ncross_shard_lock_timeout = 400\ncutover_verify = false\n${drain}`)}${databasesToml({ prod: [{ cluster: old, database: "shop" }], prod_2x: places })}${SHARDING}
[[sharded_tables]]\ndatabase = "prod_2x"\nname = "items"\nschema = "stock"\ncolumn = "id"\ndata_type = "bigint"\n`;
  const files = new ServedFiles(toml("cutover_drain_timeout = 100"), usersToml(old));
  served = await Served.start(files);
  const admin = await served.admin();

  // One that is given up: nobody notices.
  const first = await begin(admin, "COPY_DATA prod prod_2x all_tables");
  const client = await connect();
  await client.query("BEGIN");
  await enter(client, "given up", 0);
  await admin.query(`CUTOVER ${first}`);
  givenUp = (await task(admin, first, ({ message }) => message?.startsWith("The cutover was given up") === true)).message!;
  await enter(client, "given up", 1);
  expect(await where(client)).toBe("shop");
  await client.query("COMMIT");
  expect(await numbers(client, "given up")).toEqual([0, 1]);
  await client.end();
  await admin.query(`STOP_TASK ${first}`);
  await task(admin, first, ({ status }) => status === "cancelled");
  writeFileSync(files.config, toml('cutover_drain_timeout = 1500\ncutover_drain_action = "cancel"'));
  await admin.query("RELOAD");

  const clients = Object.entries(KINDS).map(([name, kind]) => {
    const steps = kind();
    const { promise, resolve, reject } = deferred();
    promise.catch(() => undefined);
    outcomes.set(name, promise);
    return async (): Promise<void> => {
      await steps.next().then(({ done }) => { if (done === true) resolve(); }, reject);
    };
  });
  const goOn = async (): Promise<void> => {
    await Promise.all(clients.map((next) => next()));
  };
  const there = await begin(admin, "REPLICATE prod prod_2x all_tables");
  await goOn();
  const back = await cutOver(admin, there, goOn);
  await goOn();
  await cutOver(admin, back, goOn);
  await goOn();
  await admin.end();
}, 60_000);
afterAll(async () => {
  await served.serving.close();
});

async function task(admin: pg.Client, id: string, wanted: (task: AdminTask) => boolean): Promise<AdminTask> {
  return await untilTask(admin, (tasks) => tasks.find((each) => each.id === id && wanted(each)), (each) => each.id === id);
}

/** Begins a task, and waits until it streams; its id. */
async function begin(admin: pg.Client, command: string): Promise<string> {
  const id = String(Object.values((await admin.query<Record<string, unknown>>(command)).rows[0]!)[0]);
  await task(admin, id, ({ inner_status: inner }) => inner === "replicating");
  return id;
}

/** Cuts a task over, and calls `paused` while the gateway holds transactions back; the id of the task that streams back. */
async function cutOver(admin: pg.Client, id: string, paused: () => Promise<void>): Promise<string> {
  await admin.query(`CUTOVER ${id}`);
  while (!(await admin.query<{ database: string; paused: boolean }>("SHOW POOLS")).rows.some(({ database, paused: held }) => database === "prod" && held)) await moment();
  await paused();
  await task(admin, id, ({ status }) => status === "finished");
  // A cutover was given up before.
  return (await untilTask(admin, streamingBack(id), ({ scope }) => scope === "root")).id;
}

test("a transaction that is open for too long has the cutover given up, and nobody notices", () => {
  expect(givenUp).toContain("1 transaction of database \"prod\" did not end within 100 ms");
});

test.each(Object.keys(KINDS))("%s", async (name) => {
  await outcomes.get(name);
});
