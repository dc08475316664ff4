import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { KeptSessions } from "../../src/pipelines/kept-sessions.js";
import { connect } from "../../src/postgres/connection.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf } from "../support/pipeline.js";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

const pid = async (client: pg.Client): Promise<number> => (await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]!.pid;

describe("kept sessions", () => {
  const place = (): ReturnType<typeof addressOf> => addressOf({ cluster, database: "postgres" });
  const make = (): { kept: KeptSessions; opened: () => number } => {
    let opened = 0;
    const kept = new KeptSessions(async (server, purpose) => {
      opened++;
      return await connect(server, { applicationName: `kept ${purpose}` });
    });
    return { kept, opened: () => opened };
  };
  const left = async (): Promise<number> => {
    const client = await cluster.connect();
    const { rows } = await client.query<{ count: number }>("SELECT count(*)::int4 AS count FROM pg_stat_activity WHERE application_name LIKE 'kept %'");
    await client.end();
    return rows[0]!.count;
  };

  it("serve one piece of work after the other, and each purpose its own", async () => {
    const { kept, opened } = make();
    const first = await kept.use(place(), "monitor", pid);
    expect(await kept.use(place(), "monitor", pid)).toBe(first);
    expect(await kept.use(place(), "journal", pid)).not.toBe(first);
    const both = await Promise.all([kept.use(place(), "monitor", pid), kept.use(place(), "monitor", pid)]);
    expect(new Set(both).size).toBe(2);
    expect(opened()).toBe(3);
    await kept.close();
    await expect.poll(left).toBe(0);
  });

  it("are replaced where they were lost, before the work or within it", async () => {
    const { kept, opened } = make();
    const client = await cluster.connect();
    const first = await kept.use(place(), "monitor", pid);
    await client.query("SELECT pg_terminate_backend($1, 10000)", [first]);
    const second = await kept.use(place(), "monitor", pid);
    expect(second).not.toBe(first);
    let tries = 0;
    const third = await kept.use(place(), "monitor", async (session) => {
      if (tries++ === 0) await client.query("SELECT pg_terminate_backend($1, 10000)", [second]);
      return await pid(session);
    });
    expect(third).not.toBe(second);
    expect(opened()).toBe(3);
    await client.end();
    await kept.close();
    await expect.poll(left).toBe(0);
  });

  it("end where the work fails, or is still on when all are closed", async () => {
    const { kept } = make();
    await expect(kept.use(place(), "journal", (client) => client.query("BEGIN; SELECT 1 / 0"))).rejects.toMatchObject({ code: "22012" });
    await expect.poll(left).toBe(0);
    let go!: () => void;
    const gate = new Promise<void>((resolve) => { go = resolve; });
    const working = kept.use(place(), "journal", async () => { await gate; });
    await kept.close();
    go();
    await working;
    await expect.poll(left).toBe(0);
  });

  it("are taken for longer work and given back, and those of one purpose are ended alone", async () => {
    const { kept, opened } = make();
    const schema = await kept.open(place(), "schema");
    const first = await pid(schema);
    expect(await pid(await kept.open(place(), "schema"))).not.toBe(first);
    kept.keep(schema, place(), "schema");
    const monitor = await kept.use(place(), "monitor", pid);
    expect(await kept.open(place(), "schema")).toBe(schema);
    kept.keep(schema, place(), "schema");
    kept.end("schema");
    expect(await kept.use(place(), "monitor", pid)).toBe(monitor);
    const again = await kept.open(place(), "schema");
    expect(await pid(again)).not.toBe(first);
    expect(opened()).toBe(4);
    kept.keep(again, place(), "schema");
    await kept.close();
    // The one that was never given back is its holder's.
    await expect.poll(left).toBe(1);
  });

  it("are ready for work that is not to be done twice, and lost within it they fail it", async () => {
    const { kept, opened } = make();
    const admin = await cluster.connect();
    const first = await kept.useOnce(place(), "schema", pid);
    expect(await kept.useOnce(place(), "schema", pid)).toBe(first);
    await admin.query("SELECT pg_terminate_backend($1, 10000)", [first]);
    const second = await kept.useOnce(place(), "schema", pid);
    expect(second).not.toBe(first);
    let tries = 0;
    await expect(kept.useOnce(place(), "schema", async (client) => {
      tries++;
      await admin.query("SELECT pg_terminate_backend($1, 10000)", [await pid(client)]);
      await client.query("SELECT");
    })).rejects.toThrow();
    expect([tries, opened()]).toEqual([1, 2]);

    // Lost before it is given back.
    const lost = await kept.open(place(), "schema");
    const ended = new Promise((resolve) => { lost.once("end", resolve); });
    await admin.query("SELECT pg_terminate_backend($1, 10000)", [await pid(lost)]);
    await ended;
    kept.keep(lost, place(), "schema");
    expect(await kept.open(place(), "schema")).not.toBe(lost);
    await admin.end();
    await kept.close();
  });
});
