import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import pg from "pg";
import { describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { runCommandLine } from "../../src/cli/program.js";
import { type DemoOptions, runDemo } from "../../src/demo/run-demo.js";
import { recordedTerminal } from "./terminal.js";

const options: DemoOptions = { rows: 500, shards: 1, keep: false, report: () => undefined, signal: new AbortController().signal };

async function expectGone(servers: readonly Cluster[] | undefined): Promise<void> {
  for (const { host, port, user, password } of servers!) await expect(new pg.Client({ host, port, user, password, database: "shop" }).connect()).rejects.toThrow(/ECONNREFUSED/);
}

describe("demo", () => {
  it("moves the shop, proves it, exits 0, keeps its servers where it is asked to, and says how to stop them", async () => {
    const terminal = recordedTerminal();
    expect(await runCommandLine(["demo", "--rows", "2000", "--shards", "2", "--keep"], terminal)).toBe(0);
    expect(terminal.written.out).toMatch(/^table .* source {2}shard 0 {2}shard 1 {2}equal\n(.* ✓\n){16}16 tables, [\d,]+ rows: all equal, and every row is on its shard\.\nApplications were told of ([\d,]+) commits; stored are \2 on the source, [\d,]+ \+ [\d,]+ = \2 on the shards: ✓\nThe shop moved to 2 shards and back while applications wrote; they waited \d+ ms and \d+ ms\. Nothing was lost\. [\d.]+ s\.\n\nThe servers are still up/);
    expect(terminal.written.err).toMatch(/✓ servers[^]*✓ shop[^]*✓ gateway[^]*admin=> RESHARD shop shop_sharded demo;[^]*✓ copy[^]*✓ shop_sharded is in charge, applications waited \d+ ms[^]*admin=> CUTOVER \d+;[^]*✓ shop is in charge[^]*✓ writers[^]*✓ verify/);

    const [, source] = /^ {2}source {3}psql (\S+)$/m.exec(terminal.written.out)!;
    const [, stateDirectory] = /^ {2}export DEMO_STATE_DIRECTORY=(\S+)$/m.exec(terminal.written.out)!;
    const client = new pg.Client({ connectionString: source! });
    client.on("error", () => undefined);
    await client.connect();
    expect((await client.query("SELECT FROM pg_replication_slots")).rowCount).toBe(1);
    await client.end();
    expect(existsSync(stateDirectory!)).toBe(true);
    await promisify(execFile)("sh", ["-c", /^To stop them: (.*)$/m.exec(terminal.written.out)![1]!]);
    await expect(new pg.Client({ connectionString: source! }).connect()).rejects.toThrow(/ECONNREFUSED/);
    expect(existsSync(stateDirectory!)).toBe(false);
  });

  it("fails as soon as a writer does, and leaves no server", async () => {
    let servers: readonly Cluster[] | undefined;
    const demo = runDemo({
      ...options,
      onStarted(started) {
        servers = started;
      },
      report(event) {
        if (event.type !== "demo-typed") return;
        void servers![0]!.connect("shop").then(async (client) => {
          // The writers' sessions have no name; those of the pipeline that are only coming up have none yet, nor a query.
          await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name = '' AND query <> '' AND pid <> pg_backend_pid()").catch(() => undefined);
        });
      },
    });
    await expect(demo).rejects.toMatchObject({ code: "DEMO_WRITER_FAILED" });
    await expectGone(servers);
  });

  it("leaves no server when it is stopped, even where it would keep them", async () => {
    const controller = new AbortController();
    let servers: readonly Cluster[] | undefined;
    const demo = runDemo({
      ...options,
      keep: true,
      signal: controller.signal,
      onStarted(started) {
        servers = started;
        controller.abort();
      },
    });
    await expect(demo).rejects.toMatchObject({ code: "INTERRUPTED" });
    await expectGone(servers);
    await expect(runDemo({ ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "INTERRUPTED" });
  });
});
