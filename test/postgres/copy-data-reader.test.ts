import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { connect } from "../../src/postgres/connection.js";
import { CopyDataReader } from "../../src/postgres/copy-data-reader.js";
import { isRetryable } from "../../src/postgres/server-errors.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();
const address = { host: cluster.host, port: cluster.port, database: "postgres", user: cluster.user, password: cluster.password, sslmode: "disable" } as const;

/** Rows of `COPY … TO STDOUT` in text, taken as the owner likes. */
async function copied(query: string, takes: (waiting: number) => number | undefined): Promise<{ lines: string[]; error: unknown; after: unknown }> {
  const client = await connect(address, { applicationName: "test" });
  const lines: string[] = [];
  const take = (reader: CopyDataReader, count?: number): void => {
    const { buffer, starts, ends, count: taken } = reader.take(count);
    for (let frame = 0; frame < taken; frame++) lines.push(buffer.toString("utf8", starts[frame], ends[frame]));
  };
  const reader: CopyDataReader = new CopyDataReader(client, `COPY (${query}) TO STDOUT`, () => {
    const count = takes(reader.waiting.count);
    if (count !== undefined) take(reader, count);
  });
  const error: unknown = await reader.done.then(() => undefined, (cause: unknown) => cause);
  take(reader);
  // The client is good for other work again.
  const after: unknown = await client.query<{ one: number }>("SELECT 1 AS one").then(({ rows }) => rows[0]!.one, (cause: unknown) => cause);
  await client.end().catch(() => undefined);
  return { lines, error, after };
}

describe("CopyDataReader", () => {
  test("hands over every payload once and in order, however much is taken at a time", async () => {
    const expected = Array.from({ length: 5000 }, (_, row) => `${row + 1}\t${"x".repeat((row + 1) % 300)}\n`);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(fc.nat(4000)), { minLength: 1, maxLength: 5 }), async (counts) => {
        let call = 0;
        const { lines, error, after } = await copied("SELECT n, repeat('x', n % 300) FROM generate_series(1, 5000) AS n", (waiting) => {
          const count = counts[call++ % counts.length];
          return count === null || count === undefined ? undefined : count % (waiting + 1);
        });
        expect(error).toBeUndefined();
        expect(lines).toEqual(expected);
        expect(after).toBe(1);
      }),
      { numRuns: 12 },
    );
  });

  test("payloads larger than any buffer, and none at all", async () => {
    const { lines } = await copied("SELECT repeat('y', n * 1000000) FROM generate_series(0, 3) AS n", (waiting) => waiting);
    expect(lines.map(({ length }) => length)).toEqual([1, 1_000_001, 2_000_001, 3_000_001]);
    expect(await copied("SELECT 1 WHERE false", () => undefined)).toEqual({ lines: [], error: undefined, after: 1 });
  });

  test("steps over notices in between, and tells of them", async () => {
    const client = await cluster.connect();
    await client.query("CREATE FUNCTION noisy(n int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', n; RETURN n; END'");
    const { lines, error, after } = await copied("SELECT public.noisy(n) FROM generate_series(1, 300) AS n", (waiting) => waiting);
    expect([lines.length, error, after]).toEqual([300, undefined, 1]);
    const heard: string[] = [];
    const reader = new CopyDataReader(client, "COPY (SELECT public.noisy(n) FROM generate_series(1, 30) AS n) TO STDOUT", () => { reader.take(); }, ({ code, message }) => heard.push(`${code} ${message}`));
    await reader.done;
    expect(heard).toEqual(Array.from({ length: 30 }, (_, n) => `00000 ${n + 1}`));
  });

  test("an error in the middle fails it, and the client goes on", async () => {
    const { error, after } = await copied("SELECT 1 / (100000 - n) FROM generate_series(1, 200000) AS n", (waiting) => waiting);
    expect(error).toMatchObject({ code: "22012" });
    expect(after).toBe(1);
    expect((await copied("SELECT nonsense", () => undefined)).error).toMatchObject({ code: "42703" });
  });

  test("a session that ends in the middle fails it as passing trouble", async () => {
    const admin = await cluster.connect();
    const client = await connect(address, { applicationName: "cut off" });
    const reader: CopyDataReader = new CopyDataReader(client, "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 10000000)) TO STDOUT", () => { reader.take(); });
    const failed = reader.done.then(() => undefined, (cause: unknown) => cause);
    let ended = 0;
    while (ended === 0) ended = (await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut off' AND state = 'active'")).rowCount ?? 0;
    expect(isRetryable(await failed)).toBe(true);
    await client.end().catch(() => undefined);
  });

  test("paused, it reads nothing; the server waits for it", async () => {
    const admin = await cluster.connect();
    const client = await connect(address, { applicationName: "paused" });
    let rows = 0;
    let paused = false;
    const reader: CopyDataReader = new CopyDataReader(client, "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 30000)) TO STDOUT", () => {
      expect(paused).toBe(false);
      rows += reader.take().count;
      paused = true;
      reader.pause();
    });
    const done = reader.done;
    for (;;) {
      const { rowCount } = await admin.query("SELECT FROM pg_stat_activity WHERE application_name = 'paused' AND wait_event = 'ClientWrite'");
      if (rowCount === 1) break;
    }
    expect(rows).toBeLessThan(30_000);
    const next = setInterval(() => {
      paused = false;
      reader.resume();
    }, 0);
    await done;
    clearInterval(next);
    rows += reader.take().count;
    expect(rows).toBe(30_000);
    await client.end();
  });
});
