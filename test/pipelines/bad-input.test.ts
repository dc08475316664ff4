import { createServer } from "node:net";
import type pg from "pg";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Pipeline, ServerAddress } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { ReshardError } from "../../src/errors.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, hashed, makePipeline, type PipelineParts, type Place, rowStages, runToEnd } from "../support/pipeline.js";

let cluster: Cluster;
/** Its write-ahead log cannot be decoded. */
let replica: Cluster;

beforeAll(async () => {
  [cluster, replica] = await Promise.all([startTestCluster({ logins: "scram-sha-256", settings: { max_replication_slots: 10 } }), startTestCluster({ settings: { wal_level: "replica" } })]);
});

const SCHEMA = `
  CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text);
  CREATE TABLE countries (code text PRIMARY KEY);
  INSERT INTO orders SELECT i, i, 'note' FROM generate_series(1, 20) i;
  CREATE PUBLICATION everything FOR ALL TABLES;`;

interface Scene {
  readonly source: Place;
  readonly shards: readonly Place[];
  readonly pipeline: (parts?: Partial<PipelineParts>) => Pipeline;
}

let scenes = 0;
let unspoilt: Promise<Scene> | undefined;

/** For tests that change nothing themselves: a refused run does not either, so they all share it. */
async function unspoiltScene(): Promise<Scene> {
  return await (unspoilt ??= newScene());
}

async function newScene(schema = SCHEMA, on: Cluster = cluster): Promise<Scene> {
  const number = scenes++;
  const source = { cluster: on, database: `source_${number}` };
  const shards = [0, 1].map((shard) => ({ cluster, database: `shard_${number}_${shard}` }));
  for (const place of [source, ...shards]) await place.cluster.createDatabase(place.database);
  await query(source, schema);
  return {
    source,
    shards,
    pipeline: (parts = {}) => makePipeline({ from: addressOf(source), to: shards.map((shard) => addressOf(shard)), publication: "everything", sharding: { tables: [hashed("customer", "bigint")] }, ...parts }),
  };
}

async function query(place: Place, text: string): Promise<pg.QueryResult> {
  const client = await place.cluster.connect(place.database);
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

/** Everything in the catalogs that a run could make or change, rows counted, of the places that can be reached. */
async function state({ source, shards }: Scene): Promise<unknown> {
  const found: unknown[] = [];
  for (const place of [source, ...shards]) {
    const { rows } = await query(place, `
      SELECT (SELECT json_agg(row_to_json(s) ORDER BY slot_name) FROM (SELECT slot_name, plugin, temporary FROM pg_replication_slots) s) AS slots,
        (SELECT json_agg(nspname ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_temp') AS schemas,
        (SELECT json_agg(oid::int8 || ' ' || relname ORDER BY oid) FROM pg_class WHERE oid >= 16384) AS relations,
        (SELECT json_agg(proname ORDER BY oid) FROM pg_proc WHERE oid >= 16384) AS functions,
        (SELECT json_agg(row_to_json(p) ORDER BY pubname) FROM pg_publication p) AS publications,
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks`);
    found.push(rows);
    const tables = await query(place, "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY 1");
    for (const { name } of tables.rows as { name: string }[]) found.push(name, (await query(place, `SELECT t::text FROM ${name} t ORDER BY 1`)).rows);
  }
  return found;
}

/** Sessions of ours that are still there. */
async function sessionsOf({ source, shards }: Scene): Promise<unknown> {
  const found = await Promise.all([source, ...shards].map((place) => query(place, "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pg-reshard%'")));
  return found.flatMap(({ rows }) => rows as unknown[]);
}

/** Runs the pipeline, which has to fail without having changed anything or leaving a session behind. */
async function refusal(scene: Scene, pipeline: Pipeline): Promise<ReshardError> {
  const before = await state(scene);
  const error = await runToEnd(pipeline).then(
    () => { throw new Error("the run should have been refused"); },
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(ReshardError);
  const refused = error as ReshardError;
  expect(refused.kind === "operator" || refused.kind === "retry").toBe(true);
  expect(refused.remedy ?? "").not.toBe("");
  await expect.poll(() => sessionsOf(scene)).toEqual([]);
  expect(await state(scene)).toEqual(before);
  return refused;
}

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => { resolve(); }));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

describe("servers", () => {
  const ends = ["source", "first shard", "second shard"] as const;
  const bend = (scene: Scene, end: (typeof ends)[number], overrides: Partial<ServerAddress>): Pipeline =>
    scene.pipeline({
      from: addressOf(scene.source, end === "source" ? overrides : {}),
      to: scene.shards.map((shard, number) => addressOf(shard, end === ends[number + 1] ? overrides : {})),
    });

  it.each(ends)("%s that cannot be reached", async (end) => {
    const scene = await unspoiltScene();
    const port = await closedPort();
    const error = await refusal(scene, bend(scene, end, { port }));
    expect(error.code).toBe("SERVER_UNREACHABLE");
    expect(error.message).toContain(`127.0.0.1:${port}/`);
    expect(error.message).toContain("ECONNREFUSED");
  });

  it("a host that does not exist", async () => {
    const scene = await unspoiltScene();
    const error = await refusal(scene, bend(scene, "source", { host: "no-such-host.invalid" }));
    expect(error.code).toBe("SERVER_UNREACHABLE");
    expect(error.message).toContain("no-such-host.invalid:");
  });

  it.each(ends)("%s with a wrong password", async (end) => {
    const scene = await unspoiltScene();
    const error = await refusal(scene, bend(scene, end, { password: "not the password" }));
    expect(error.code).toBe("LOGIN_REFUSED");
    expect(`${error.message} ${error.remedy ?? ""}`).not.toContain("not the password");
    expect(error.message).toContain('user "postgres"');
  });

  it("no password where one is asked for", async () => {
    const scene = await unspoiltScene();
    const error = await refusal(scene, bend(scene, "source", { password: undefined }));
    expect(error.code).toBe("LOGIN_REFUSED");
    expect(error.message).toContain("password");
  });

  it("a user that does not exist", async () => {
    const scene = await unspoiltScene();
    expect((await refusal(scene, bend(scene, "second shard", { user: "nobody" }))).code).toBe("LOGIN_REFUSED");
  });

  it.each(ends)("%s without the database", async (end) => {
    const scene = await unspoiltScene();
    const error = await refusal(scene, bend(scene, end, { database: "no such database" }));
    expect(error.code).toBe("DATABASE_MISSING");
    expect(error.message).toContain('"no such database"');
  });

  it("TLS where the server has none", async () => {
    const scene = await unspoiltScene();
    const error = await refusal(scene, bend(scene, "source", { sslmode: "require" }));
    expect(error.code).toBe("SERVER_UNREACHABLE");
    expect(error.message).toContain("SSL");
  });

  it("a source whose write-ahead log cannot be decoded", async () => {
    const scene = await newScene(SCHEMA, replica);
    const error = await refusal(scene, scene.pipeline());
    expect(error.code).toBe("WAL_LEVEL");
    expect(error.message).toContain("replica");
  });

  it("a source user that may not replicate", async () => {
    const scene = await newScene(`${SCHEMA} CREATE ROLE reader LOGIN PASSWORD 'embedded' IN ROLE pg_read_all_data;`);
    const error = await refusal(scene, bend(scene, "source", { user: "reader" }));
    expect(error.code).toBe("REPLICATION_PRIVILEGE");
    expect(error.remedy).toContain("reader");
  });

  it("a shard user that may not make the bookkeeping", async () => {
    const scene = await newScene();
    await query(scene.shards[1]!, "CREATE ROLE guest LOGIN PASSWORD 'embedded'");
    const error = await refusal(scene, bend(scene, "second shard", { user: "guest" }));
    expect(error.code).toBe("PRIVILEGE_MISSING");
    expect(error.place.server).toContain(scene.shards[1]!.database);
    expect(error.remedy).toContain(`ON DATABASE "${scene.shards[1]!.database}" TO "guest"`);
  });

  it("a source without a free slot", async () => {
    const scene = await unspoiltScene();
    const { rows } = await query(scene.source, "SELECT pg_create_physical_replication_slot('taken_' || i) FROM generate_series(1, 9 - (SELECT count(*) FROM pg_replication_slots)) i");
    onTestFinished(async () => {
      await query(scene.source, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'taken_%'");
    });
    expect(rows.length).toBeGreaterThan(0);
    const error = await refusal(scene, scene.pipeline());
    expect(error.code).toBe("NO_FREE_SLOT");
    expect(error.remedy).toContain("max_replication_slots");
  });
});

describe("publications", () => {
  it("that do not exist", async () => {
    const scene = await unspoiltScene();
    const error = await refusal(scene, scene.pipeline({ publication: "Everything" }));
    expect(error.code).toBe("PUBLICATION_MISSING");
    expect(error.message).toContain('"everything"');
  });

  it("that hold no table", async () => {
    const scene = await newScene(`${SCHEMA} CREATE PUBLICATION nothing;`);
    expect((await refusal(scene, scene.pipeline({ publication: "nothing" }))).code).toBe("PUBLICATION_EMPTY");
  });

  it("that leave out deletes and truncates", async () => {
    const scene = await newScene(`${SCHEMA} CREATE PUBLICATION partial FOR ALL TABLES WITH (publish = 'insert, update');`);
    const error = await refusal(scene, scene.pipeline({ publication: "partial" }));
    expect(error.code).toBe("PUBLICATION_INCOMPLETE");
    expect(error.message).toContain("delete, truncate");
    expect(error.remedy).toContain("allow_partial_publication = true");
  });

  it("with tables whose rows have no name, all of them in one message", async () => {
    const scene = await newScene(`${SCHEMA}
      CREATE TABLE log (line text); CREATE TABLE "Other Log" (line text);
      CREATE TABLE nameless (id bigint PRIMARY KEY); ALTER TABLE nameless REPLICA IDENTITY NOTHING;
      CREATE TABLE whole (line text); ALTER TABLE whole REPLICA IDENTITY FULL;
      CREATE TABLE fine (id bigint NOT NULL UNIQUE); ALTER TABLE fine REPLICA IDENTITY USING INDEX fine_id_key;`);
    const error = await refusal(scene, scene.pipeline());
    expect(error.code).toBe("REPLICA_IDENTITY_MISSING");
    for (const table of ["log", "Other Log", "nameless"]) expect(error.message).toContain(table);
    // REPLICA IDENTITY FULL will do without any key.
    for (const table of ["fine", "whole"]) expect(error.message).not.toContain(table);
  });
});

describe("destinations", () => {
  it("that hold rows of a table to come", async () => {
    const scene = await newScene();
    await query(scene.shards[1]!, "CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text); INSERT INTO orders VALUES (1, 1, 'mine'); CREATE TABLE countries (code text PRIMARY KEY)");
    const error = await refusal(scene, scene.pipeline());
    expect(error.code).toBe("DESTINATION_NOT_EMPTY");
    expect(error.message).toContain("orders");
    expect(error.message).not.toContain("countries");
    expect(error.place.server).toContain(scene.shards[1]!.database);
  });

  it("that are the source itself", async () => {
    const scene = await newScene(SCHEMA.replace(/INSERT[^;]*;/, ""));
    const error = await refusal(scene, scene.pipeline({ to: [addressOf(scene.source), addressOf(scene.shards[1]!)] }));
    expect(error.code).toBe("SAME_DATABASE");
  });

  it("of which two are the same database, by another name of its server", async () => {
    const scene = await unspoiltScene();
    const error = await refusal(scene, scene.pipeline({ to: [addressOf(scene.shards[0]!), addressOf(scene.shards[0]!, { host: "localhost" })] }));
    expect(error.code).toBe("SAME_DATABASE");
  });
});

describe("rules", () => {
  it("that fit no table", async () => {
    const scene = await unspoiltScene();
    const error = await refusal(scene, scene.pipeline({ sharding: { tables: [hashed("customer", "bigint"), hashed("id", "bigint", { name: "oders" })], omnisharded: ["countrys"], schemas: [{ name: "sales", shard: 0 }] } }));
    expect(error.code).toBe("RULE_WITHOUT_TABLE");
    for (const name of ["oders", "countrys", "sales"]) expect(error.message).toContain(name);
  });

  it("that name a column which the table does not have, or has with another type", async () => {
    const scene = await unspoiltScene();
    expect((await refusal(scene, scene.pipeline({ sharding: { tables: [hashed("client", "bigint", { name: "orders" })] } }))).code).toBe("SHARDING_COLUMN_MISSING");
    expect((await refusal(scene, scene.pipeline({ sharding: { tables: [hashed("note", "bigint", { name: "orders" })] } }))).code).toBe("SHARDING_COLUMN_TYPE");
  });

  it("that send rows to a shard that there is not", async () => {
    const scene = await unspoiltScene();
    const rule = { ...hashed("customer", "bigint"), mapping: [{ kind: "default", shard: 2 }] } as const;
    expect((await refusal(scene, scene.pipeline({ sharding: { tables: [rule] } }))).code).toBe("SHARDING_SHARD_UNKNOWN");
  });
});

describe("migrations", () => {
  it("whose slot is somebody else's", async () => {
    const scene = await newScene();
    await query(scene.source, "SELECT pg_create_logical_replication_slot('mine_0', 'pgoutput')");
    onTestFinished(async () => {
      await query(scene.source, "SELECT pg_drop_replication_slot('mine_0')");
    });
    const error = await refusal(scene, scene.pipeline({ slot: "mine" }));
    expect(error.code).toBe("SLOT_EXISTS");
    expect(error.message).toContain("mine_0");
  });

  it("that run already, which go on undisturbed", async () => {
    const scene = await newScene();
    await query(scene.source, "ALTER TABLE orders ALTER customer SET NOT NULL");
    let second: ReshardError | undefined;
    const first = await runToEnd(scene.pipeline(), {
      beforeStage: async (stage) => {
        if (stage.type !== "copy") return;
        const before = await state(scene);
        second = await runToEnd(scene.pipeline()).then(
          () => undefined,
          (error: unknown) => error as ReshardError,
        );
        expect(await state(scene)).toEqual(before);
      },
    });
    expect(second).toBeInstanceOf(ReshardError);
    expect(second).toMatchObject({ code: "ALREADY_RUNNING", kind: "operator" });
    expect(first.sound).toBe(true);
    // And now that the first has ended it can be run again.
    expect((await runToEnd(scene.pipeline())).sound).toBe(true);
  });

  it("that are asked for with another slot than they began with", async () => {
    const scene = await newScene();
    await runToEnd(scene.pipeline({ slot: "one" }));
    expect((await refusal(scene, scene.pipeline({ slot: "two" }))).code).toBe("SLOT_DIFFERS");
  });

  it("whose slot is gone after rows were copied", async () => {
    const scene = await newScene();
    await runToEnd(scene.pipeline({ slot: "lost" }));
    await query(scene.source, "SELECT pg_drop_replication_slot('lost_0')");
    const error = await runToEnd(scene.pipeline({ slot: "lost", stages: rowStages })).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(ReshardError);
    expect(error).toMatchObject({ code: "SLOT_MISSING" });
    const { rows } = await query(scene.source, "SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'lost_0'");
    expect(rows).toEqual([]);
  });
});
