import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import type { Cluster } from "../src/embedded/cluster.js";
import { type CommandRun, startCommand } from "../test/support/cli.js";
import { KINDS, readTold, TOLD_SCHEMA, toldShardingToml, ToldWriters } from "../test/support/told-writers.js";
import { figure } from "./result-table.js";
import type { Measured } from "./result.js";
import type { BenchOptions } from "./options.js";
import { execute, SETTINGS_TEXT, withServers } from "./servers.js";
import { spreadOf } from "./statistics.js";
import { until } from "./until.js";

const DATABASE = "shop";
const PASSWORD = "bench";
/** As long as a look at the applications when nothing happens, in milliseconds. */
const QUIET = 1000;

/**
 * The longest transaction that applications see around a cutover, beside the longest of a second without one: there and back
 * by turns, through `pg-reshard serve` as a process of its own, as many applications of six kinds as fast as they can.
 */
export async function benchCutover({ rounds }: BenchOptions): Promise<Measured[]> {
  return await withServers(3, async ([source, ...shards]) => {
    await source!.createDatabase(DATABASE);
    await execute(source!, DATABASE, TOLD_SCHEMA);
    for (const shard of shards) await shard.createDatabase(DATABASE);
    const directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-bench-"));
    const served = await startServe(directory, source!, shards);
    try {
      const login = { host: "127.0.0.1", port: served.port, user: "bench", password: PASSWORD, database: "prod" };
      const admin = new pg.Client({ ...login, user: "admin", database: "admin" });
      await admin.connect();
      const writers = await ToldWriters.start({ login, writers: KINDS, thinks: 0 });
      await writers.more(100);
      await admin.query("RESHARD prod prod_2x all_tables");
      const tasks: string[] = [];
      const switched = async (): Promise<void> => {
        await writers.during(() => until("the way back is open", async () => {
          const id = await streamingBack(admin, tasks);
          if (id !== undefined) tasks.push(id);
          return id !== undefined;
        }));
      };
      await switched();
      const [longest, quiet, paused, rates]: number[][] = [[], [], [], []];
      for (let round = 0; round < rounds; round++) {
        await writers.more(100);
        writers.takeLongest();
        const before = writers.transactions;
        await new Promise((resolve) => setTimeout(resolve, QUIET));
        rates!.push(((writers.transactions - before) * 1000) / QUIET);
        quiet!.push(writers.takeLongest() / 1000);
        await admin.query(`CUTOVER ${tasks.at(-1)!}`);
        await switched();
        longest!.push(writers.takeLongest() / 1000);
        const { rows } = await admin.query<{ paused_ms: number }>("SHOW CUTOVER");
        paused!.push(rows[0]!.paused_ms);
      }
      await writers.stop();
      const inCharge = rounds % 2 === 0 ? shards : [source!];
      const clients = await Promise.all(inCharge.map((cluster) => cluster.connect(DATABASE)));
      const faults = writers.faults(await readTold(clients));
      await Promise.all([admin, ...clients].map((client) => client.end()));
      if (faults.length > 0) throw new Error(`rows are not what applications were told:\n${faults.join("\n")}`);
      return [
        {
          benchmark: "cutover",
          what: "the longest transaction that applications saw",
          subject: { label: "around a cutover", seconds: longest! },
          baseline: { label: "in a second without one", seconds: quiet! },
          amounts: [{ unit: "cutovers", amount: 1 }],
          target: { of: "time", bound: "at most", value: 0.2, text: "under 200 ms at the median" },
          conditions: {
            "applications waited": `${figure(spreadOf(paused!).median)} ms at the median, each: ${paused!.map((ms) => ms.toFixed(0)).join(", ")}`,
            applications: `${KINDS} of as many kinds, ${figure(spreadOf(rates!).median)} transactions/s, ${writers.transactions} in all, every one of them stored once`,
            topology: "1 server and 2, there and back by turns, two-phase commit on the shards",
            settings: SETTINGS_TEXT,
          },
        },
      ];
    } finally {
      served.run.child.kill("SIGTERM");
      await served.run.ended;
      rmSync(directory, { recursive: true, force: true });
    }
  });
}

async function streamingBack(admin: pg.Client, but: readonly string[]): Promise<string | undefined> {
  const { rows } = await admin.query<Readonly<Record<"id" | "type" | "status" | "inner_status", string>>>("SHOW TASKS");
  const failed = rows.find(({ status }) => status.startsWith("failed"));
  if (failed !== undefined) throw new Error(`${failed.type}: ${failed.status}`);
  return rows.find(({ id, type, inner_status: inner }) => type.endsWith("(reverse)") && inner === "replicating" && !but.includes(id))?.id;
}

/** Resolves when it listens. */
async function startServe(directory: string, source: Cluster, shards: readonly Cluster[]): Promise<{ readonly run: CommandRun; readonly port: number }> {
  const database = (name: string, { host, port }: Cluster, shard: number): string => `[[databases]]\nname = "${name}"\nshard = ${shard}\nhost = "${host}"\nport = ${port}\ndatabase_name = "${DATABASE}"\nsslmode = "disable"\n`;
  const [config, users] = [path.join(directory, "pgdog.toml"), path.join(directory, "users.toml")];
  writeFileSync(config, [
    `[general]\nhost = "127.0.0.1"\nport = 0\ntwo_phase_commit = true\nstate_directory = "${directory}"\n\n[admin]\npassword = "${PASSWORD}"\n`,
    database("prod", source, 0),
    ...shards.map((shard, number) => database("prod_2x", shard, number)),
    toldShardingToml("prod_2x"),
  ].join("\n"));
  writeFileSync(users, `[[users]]\nname = "bench"\nall_databases = true\npassword = "${PASSWORD}"\nserver_user = "${source.user}"\nserver_password = "${source.password}"\nschema_admin = true\n`);
  return await new Promise((resolve, reject) => {
    const run = startCommand(["--json", "--config", config, "--users", users, "serve"], {
      onEvent: (event) => {
        if (event.type === "listening") resolve({ run, port: (event as unknown as { port: number }).port });
      },
    });
    void run.ended.then((code) => { reject(new Error(`serve ended with ${code}: ${run.stderr()}`)); });
  });
}
