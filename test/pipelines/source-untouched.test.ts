import { readFileSync } from "node:fs";
import path from "node:path";
import type pg from "pg";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startWriters } from "../../src/demo/start-writers.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { dumpSchema } from "../../src/pg-dump/dump-schema.js";
import { dropSlot } from "../../src/pipelines/slot.js";
import { contents, newShop } from "../demo/shop.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, type Place, runToEnd } from "../support/pipeline.js";
import { newShards, shopPipeline } from "../support/shop.js";

/** Every session tells at its login, in the server's log, what it is and whether it may write. */
const WITNESS = `
  CREATE FUNCTION public.witness_login() RETURNS event_trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE LOG 'login witnessed: application "%" read only %', current_setting('application_name'), current_setting('default_transaction_read_only');
  END $$;
  CREATE EVENT TRIGGER witness_login ON login EXECUTE FUNCTION public.witness_login();`;

let source: Place;
let destination: Cluster;

beforeAll(async () => {
  const [from, to] = await Promise.all([
    startTestCluster({ settings: { log_statement: "all", log_replication_commands: "on", log_line_prefix: "line <%a> <%d> ", autovacuum: "off" } }),
    startTestCluster(),
  ]);
  destination = to;
  source = { cluster: from, database: "shop" };
  await (await newShop(from, "shop", 2000)).end();
  await sql(WITNESS);
});

async function sql<T extends pg.QueryResultRow>(text: string): Promise<T[]> {
  const client = await source.cluster.connect(source.database);
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Once all sessions of the database are gone, for a session hands in its statistics at its end at the latest. */
async function untilAlone(): Promise<void> {
  await expect.poll(() => sql("SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()"), { timeout: 30_000 }).toEqual([]);
}

interface State {
  readonly rows: unknown;
  readonly schema: string;
  readonly statistics: Record<string, unknown>[];
  readonly objects: unknown;
  /** Any transaction that writes anything takes a number; those that read do not. */
  readonly nextTransaction: string;
}

async function state(): Promise<State> {
  await untilAlone();
  const client = await source.cluster.connect(source.database);
  const rows = await contents(client);
  await client.end();
  return {
    rows,
    // The dump's own brackets carry a random word.
    schema: (await dumpSchema({ server: addressOf(source) })).sql.replaceAll(/^\\(un)?restrict .*$/gm, ""),
    statistics: await sql("SELECT relid::regclass::text AS table, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd, n_dead_tup FROM pg_stat_user_tables ORDER BY 1"),
    objects: await sql(`SELECT (SELECT count(*) FROM pg_class) AS relations, (SELECT count(*) FROM pg_namespace) AS schemas, (SELECT count(*) FROM pg_proc) AS functions,
      (SELECT count(*) FROM pg_type) AS types, (SELECT count(*) FROM pg_roles) AS roles, (SELECT count(*) FROM pg_database) AS databases, (SELECT count(*) FROM pg_db_role_setting) AS settings,
      (SELECT count(*) FROM pg_largeobject_metadata) AS large_objects, (SELECT count(*) FROM pg_prepared_xacts) AS prepared,
      (SELECT array_agg(slot_name) FROM pg_replication_slots) AS slots, (SELECT array_agg(last_value::text) FROM pg_sequences) AS sequences`),
    nextTransaction: (await sql<{ next: string }>("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next"))[0]!.next,
  };
}

/** Statements in the log by application, each as one string. */
function statements(application: RegExp): string[] {
  const log = readFileSync(path.join(source.cluster.directory, "log"), "utf8");
  return log
    .split(/^(?=line <)/m)
    .map((entry) => /^line <(?<application>[^>]*)> <[^>]*> LOG: {2}(?:statement|execute [^:]*|received replication command): (?<text>[^]*)$/.exec(entry)?.groups)
    .flatMap((groups) => (groups !== undefined && application.test(groups["application"]!) ? [groups["text"]!.trim()] : []));
}

/** Statements that read, or are about the session alone. */
const READING =
  /^(SELECT\b(?![^]*\b(FOR (NO KEY )?UPDATE|FOR (KEY )?SHARE|INTO|nextval|setval|lo_\w+|pg_create_\w+|pg_drop_\w+|pg_replication_slot_advance|pg_logical_emit_message|pg_switch_wal|pg_advisory\w*|pg_notify)\b)|COPY [^]* TO STDOUT\b|BEGIN\b|COMMIT\b|ROLLBACK\b|SET\b|SHOW\b|IDENTIFY_SYSTEM\b|START_REPLICATION SLOT\b|CREATE_REPLICATION_SLOT "?\w+"? (TEMPORARY )?LOGICAL pgoutput \(SNAPSHOT '(use|export|nothing)'\)|DROP_REPLICATION_SLOT "?reshard_snapshot_\w+"?$)/i;
/** Those of pg_dump beside: its locks wait for nobody but who changes the schema. */
const DUMPING = /^(LOCK TABLE [^]* IN ACCESS SHARE MODE|PREPARE \w+[^]* AS\s+SELECT\b|EXECUTE \w+|DECLARE \w+ CURSOR FOR SELECT\b|FETCH\b|CLOSE\b)/i;

describe("the source", () => {
  it("gets no write, and keeps nothing of a migration after its slot is dropped", async () => {
    const before = await state();
    expect(before.statistics.every((table) => Number(table["n_tup_ins"]) > 0)).toBe(true);

    const pipeline = shopPipeline(source, await newShards(destination, "quiet", 2));
    const run = await runToEnd(pipeline);
    expect(run.sound).toBe(true);
    await untilAlone();
    const [slot, ...others] = await sql<{ slot_name: string; temporary: boolean }>("SELECT slot_name, temporary FROM pg_replication_slots");
    expect(others).toEqual([]);
    expect(slot).toMatchObject({ temporary: false });
    const client = await source.cluster.connect(source.database);
    expect(await dropSlot(client, slot!.slot_name)).toBe(true);
    await client.end();

    expect(await state()).toEqual(before);
  });

  it("hears nothing but reading statements, in sessions that may do no more", async () => {
    // With writers, so that the stream has everything to do.
    const writers = await startWriters(() => source.cluster.connect(source.database), 2, { seed: 3, transactionsPerSecond: 100 });
    onTestFinished(async () => {
      await writers.stop();
    });
    const pipeline = shopPipeline(source, await newShards(destination, "busy", 2));
    await runToEnd({ ...pipeline, to: { ...pipeline.to, name: "busy" } }, {
      beforeStage: async (stage) => {
        if (stage.type === "verify") {
          await writers.stop();
          // From user to user, and so from shard to shard: large values are looked up.
          await sql("DO $$ DECLARE next bigint; BEGIN FOR next IN SELECT id FROM users ORDER BY id LIMIT 12 LOOP UPDATE documents SET user_id = next; COMMIT; END LOOP; END $$");
        } else {
          const { committed } = writers.report();
          await writers.until((report) => report.committed >= committed + 20);
        }
      },
    });

    const ours = statements(/^pg-reshard/);
    expect(ours.filter((text) => text.startsWith("START_REPLICATION")).length).toBeGreaterThan(0);
    expect(ours.filter((text) => /^COPY .* TO STDOUT/.test(text)).length).toBeGreaterThanOrEqual(15);
    expect(ours.some((text) => /record_send/.test(text))).toBe(true);
    expect(ours.filter((text) => !READING.test(text) && !DUMPING.test(text))).toEqual([]);
    expect(statements(/^pg-reshard (?!pg_dump)/).filter((text) => !READING.test(text))).toEqual([]);
    // The check can tell: the writers' own statements do not pass.
    expect(statements(/^\[unknown\]$/).filter((text) => !READING.test(text)).length).toBeGreaterThan(100);

    const log = readFileSync(path.join(source.cluster.directory, "log"), "utf8");
    const logins = [...log.matchAll(/login witnessed: application "(?<application>pg-reshard[^"]*)" read only (?<readOnly>\w+)/g)].map(({ groups }) => groups!);
    for (const purpose of ["monitor", "stream", "copy", "verify", "lookup", "pg_dump"]) {
      expect(logins.filter(({ application }) => application!.includes(` ${purpose}`)).length, purpose).toBeGreaterThan(0);
    }
    expect(logins.filter(({ readOnly }) => readOnly !== "on")).toEqual([]);
  });
});
