import { beforeAll, describe, expect, it } from "vitest";
import type { PgBouncerSettings, Pipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { configuredTraffic } from "../../src/pipelines/configured-traffic.js";
import { closing } from "../../src/closing.js";
import { cutOver } from "../../src/pipelines/cutover.js";
import { openMigration } from "../../src/pipelines/migration.js";
import { databaseLine, formatConnectString, parseConnectString, withDatabaseLines } from "../../src/pipelines/pgbouncer-lines.js";
import { rollBack } from "../../src/pipelines/roll-back.js";
import { startTestCluster } from "../support/cluster.js";
import { type App, AppWriters, makeApp, wrongEntries } from "../support/cutover-app.js";
import { type PgBouncer, pgbouncerBinary, startPgBouncer } from "../support/pgbouncer.js";
import { runToEnd } from "../support/pipeline.js";

const binary = pgbouncerBinary();

describe("the lines of a pgbouncer.ini", () => {
  const text = `; app = host=wrong
[databases]
other = host=h1 dbname=app
app=host=h1 port=5432 dbname='the ''app''' pool_size=5 ; no comment, PgBouncer says\r
"the app" = host = h1
[pgbouncer]
app = host=none
`;

  it("are read, and changed without a touch to anything else", () => {
    expect(databaseLine(text, "the app")).toBe("host = h1");
    expect(databaseLine(text, "none")).toBeUndefined();
    expect([...parseConnectString("host=h1 port=5432 dbname='the ''app''' pool_size=5")]).toEqual([["host", "h1"], ["port", "5432"], ["dbname", "the 'app'"], ["pool_size", "5"]]);
    const changed = withDatabaseLines(text, ["app", "the app"], new Map([["host", "h2"], ["dbname", "a b"]]));
    expect(changed.split("\n").map((line, index) => (line === text.split("\n")[index] ? "same" : line))).toEqual(["same", "same", "same", "app=host=h2 port=5432 dbname='a b' pool_size=5\r", "\"the app\" = host=h2 dbname='a b'", "same", "same", "same"]);
    expect(parseConnectString(formatConnectString(new Map([["host", ""], ["x", "a = 'b'"]])))).toEqual(new Map([["host", ""], ["x", "a = 'b'"]]));
  });
});

// Said, not only skipped: it has to be installed for this to count.
if (binary === undefined) process.stderr.write("PgBouncer is not installed here: what drives it is not tested (apt-get install pgbouncer)\n");

describe.skipIf(binary === undefined)("traffic through PgBouncer", () => {
  let cluster: Cluster;
  let app: App;
  let bouncer: PgBouncer;
  let pipeline: Pipeline;
  let settings: PgBouncerSettings;

  beforeAll(async () => {
    cluster = await startTestCluster();
    app = await makeApp(cluster, "bounced", { to: 1 });
    const line = (database: string): string => `host=127.0.0.1 port=${cluster.port} dbname=${database} user=${cluster.user} password=${cluster.password} pool_size=10`;
    bouncer = await startPgBouncer(binary!, [`app = ${line(app.source[0]!.database)}`, `other = ${line("postgres")}`], cluster);
    settings = { host: "127.0.0.1", port: bouncer.port, user: cluster.user, password: undefined, file: bouncer.file, databases: ["app"], targets: {} };
    pipeline = { ...app.pipeline, cutover: { ...app.pipeline.cutover, traffic: { kind: "pgbouncer", pgbouncer: settings } } };
    expect((await runToEnd(pipeline)).sound).toBe(true);
  });

  it("waits, where a transaction is open for too long goes on at the source, or ends it", async () => {
    const traffic = configuredTraffic(pipeline);
    expect(await traffic.warnings()).toEqual([]);
    expect(await traffic.inCharge()).toBe("source");
    const client = await bouncer.connect("app");
    await client.query("BEGIN; INSERT INTO kinds VALUES (50, 'open')");
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    expect(await traffic.processesOn(pipeline.from.shards[0]!.primary)).toContain(rows[0]!.pid);
    const { signal } = new AbortController();
    await expect(traffic.pause({ timeout: 200, action: "abort", signal })).rejects.toMatchObject({ code: "CUTOVER_DRAIN_TIMEOUT" });
    await client.query("SELECT 1");
    const stop = new AbortController();
    const given = traffic.pause({ timeout: 60_000, action: "abort", signal: stop.signal });
    stop.abort();
    await expect(given).rejects.toMatchObject({ code: "INTERRUPTED" });
    await traffic.resume();
    await client.query("SELECT 1");
    await traffic.pause({ timeout: 200, action: "cancel", signal });
    // Twice is as once.
    await traffic.pause({ timeout: 200, action: "cancel", signal });
    await expect(client.query("COMMIT")).rejects.toThrow();
    const other = await bouncer.connect("other");
    await other.query("SELECT 1");
    const later = bouncer.connect("app").then(async (waiting) => {
      const { rows: found } = await waiting.query("SELECT FROM kinds WHERE id = 50");
      await waiting.end();
      return found.length;
    });
    await traffic.resume();
    await traffic.resume();
    expect(await later).toBe(0);
    await Promise.all([client.end().catch(() => undefined), other.end()]);
  });

  it("is moved under writers, and back", async () => {
    const direct = { ...cluster, connect: () => bouncer.connect("app") };
    const writers = await AppWriters.start({ ...app, sides: { app: [{ cluster: direct, database: "app" }] } }, 4, { processes: new Set(), enter: () => Promise.resolve("app"), leave: () => undefined });
    try {
      await writers.more(50);
      const migration = await openMigration({ pipeline, report: () => undefined, signal: new AbortController().signal });
      const { paused } = await closing(migration, () => cutOver({ migration, traffic: configuredTraffic(pipeline) }));
      expect(paused).toBeGreaterThan(0);
      expect(databaseLine(bouncer.text(), "app")).toContain(`dbname=${app.shards[0]!.database} user=`);
      expect(await configuredTraffic(pipeline).inCharge()).toBe("destination");
      await writers.more(50);
      await rollBack({ pipeline, report: () => undefined, signal: new AbortController().signal });
      expect(databaseLine(bouncer.text(), "app")).toContain(`dbname=${app.source[0]!.database} user=`);
      await writers.more(50);
    } finally {
      await writers.stop();
    }
    expect(await wrongEntries(app.source, writers.acknowledged)).toEqual([]);
  });

  it("is refused where its lines, its file or its targets are not those of the source", async () => {
    const other = (change: Partial<PgBouncerSettings>): Pipeline => ({ ...pipeline, cutover: { ...pipeline.cutover, traffic: { kind: "pgbouncer", pgbouncer: { ...settings, ...change } } } });
    await expect(configuredTraffic(other({ databases: ["other"] })).warnings()).rejects.toMatchObject({ code: "PGBOUNCER_LINES_DIFFER" });
    await expect(configuredTraffic(other({ databases: ["none"] })).warnings()).rejects.toMatchObject({ code: "PGBOUNCER_FILE" });
    await expect(configuredTraffic(other({ file: "/nowhere.ini" })).warnings()).rejects.toMatchObject({ code: "PGBOUNCER_FILE" });
    await expect(configuredTraffic(other({ port: 1 })).warnings()).rejects.toMatchObject({ code: "PGBOUNCER_UNREACHABLE" });
    const { shards } = pipeline.to;
    expect(() => configuredTraffic({ ...pipeline, to: { ...pipeline.to, shards: [...shards, ...shards] } })).toThrow(expect.objectContaining({ code: "PGBOUNCER_TARGET_MISSING" }) as Error);
  });
});
