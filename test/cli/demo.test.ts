import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import type { Pipeline, ServerAddress } from "../../src/config/types.js";
import { type DemoOptions, runDemo } from "../../src/demo/run-demo.js";
import { recordedTerminal } from "./terminal.js";

const options: DemoOptions = { rows: 500, shards: 1, keep: false, report: () => undefined, signal: new AbortController().signal };

async function connect(address: ServerAddress): Promise<pg.Client> {
  const { host, port, user, password, database } = address;
  const client = new pg.Client({ host, port, user, password: password!, database });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function expectGone(pipeline: Pipeline | undefined): Promise<void> {
  for (const { primary } of [...pipeline!.from.shards, ...pipeline!.to.shards]) await expect(connect(primary)).rejects.toThrow(/ECONNREFUSED/);
}

describe("demo", () => {
  it("moves the shop, proves it and exits 0", async () => {
    const terminal = recordedTerminal();
    expect(await runCommandLine(["demo", "--rows", "2000", "--shards", "2"], terminal)).toBe(0);
    expect(terminal.written.out).toMatch(/^table .* source {2}shard 0 {2}shard 1 {2}equal\n(.* ✓\n){15}15 tables, [\d,]+ rows: all equal, and every row is on its shard\.\nThe shop moved to 2 shards under [\d,]+ transactions; nothing was lost\. [\d.]+ s\.\n$/);
    expect(terminal.written.err).toMatch(/✓ servers[^]*✓ shop[^]*✓ copy[^]*✓ replicate[^]*✓ writers[^]*✓ verify/);
  });

  it("fails as soon as a writer does, and leaves no server", async () => {
    let pipeline: Pipeline | undefined;
    const demo = runDemo({
      ...options,
      onPipeline(given) {
        pipeline = given;
        void connect(given.from.shards[0]!.primary).then(async (client) => {
          // The writers' sessions have no name; those of the pipeline that are only coming up have none yet, nor a query.
          await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name = '' AND query <> '' AND pid <> pg_backend_pid()");
        });
      },
    });
    await expect(demo).rejects.toMatchObject({ code: "DEMO_WRITER_FAILED" });
    await expectGone(pipeline);
  });

  it("leaves no server when it is stopped, even where it would keep them", async () => {
    const controller = new AbortController();
    let pipeline: Pipeline | undefined;
    const demo = runDemo({
      ...options,
      keep: true,
      signal: controller.signal,
      onPipeline(given) {
        pipeline = given;
        controller.abort();
      },
    });
    await expect(demo).rejects.toMatchObject({ code: "INTERRUPTED" });
    await expectGone(pipeline);
    await expect(runDemo({ ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "INTERRUPTED" });
  });

  it("keeps its servers where it is asked to, and says how to stop them", async () => {
    const { kept, sound } = await runDemo({ ...options, keep: true });
    expect(sound).toBe(true);
    const client = new pg.Client({ connectionString: kept!.source });
    client.on("error", () => undefined);
    await client.connect();
    expect((await client.query("SELECT FROM pg_replication_slots")).rowCount).toBe(1);
    await client.end();
    const terminal = recordedTerminal({ environment: kept!.environment });
    expect(await runCommandLine(["run", kept!.pipelineFile], terminal)).toBe(0);
    expect(terminal.written.out).toContain("all equal");
    await promisify(execFile)("sh", ["-c", kept!.stop]);
    await expect(new pg.Client({ connectionString: kept!.source }).connect()).rejects.toThrow(/ECONNREFUSED/);
    expect(existsSync(kept!.pipelineFile)).toBe(false);
  });
});
