import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startCommand } from "../support/cli.js";
import { until } from "../model/until.js";
import { startTestCluster } from "../support/cluster.js";
import { databasesToml, runFlowToml, testDirectory } from "../support/flows.js";

/** Flows that end before their end, in the middle of rows: the second shard's table is locked. */

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
  for (const [index, name] of ["half_0", "half_1"].entries()) {
    await cluster.createDatabase(name);
    const client = await cluster.connect(name);
    await client.query(`CREATE TABLE parts (id int PRIMARY KEY); INSERT INTO parts SELECT n FROM generate_series(1, 1000) AS n WHERE n % 2 = ${index}`);
    await client.end();
  }
});

const toml = (): string => `${databasesToml(cluster, { halves: ["half_0", "half_1"] })}
[[sharded_tables]]
database = "halves"
column = "id"
data_type = "bigint"
[sources.parts]
type = "table"
database = "halves"
table = "parts"
[sinks.file]
type = "csv"
path = "parts.csv"
header = false
[[stages]]
type = "flow"
source = "parts"
sink = "file"
`;
const FORMER = "what was there before\n";

describe("a flow of rows that ends in the middle", () => {
  it("leaves the file of before, and nothing beside it when it is stopped, killed or cut off", async () => {
    const directory = testDirectory();
    const file = path.join(directory, "parts.csv");
    writeFileSync(file, FORMER);
    const locker = await cluster.connect("half_1");
    const waits = async (): Promise<boolean> => (await locker.query("SELECT FROM pg_locks WHERE NOT granted AND relation = 'parts'::regclass")).rowCount === 1;
    const temporaries = (): string[] => readdirSync(directory).filter((name) => name.endsWith(".tmp"));
    const lock = "BEGIN; LOCK TABLE parts IN ACCESS EXCLUSIVE MODE";

    await locker.query(lock);
    const stop = new AbortController();
    const stopped = runFlowToml(directory, toml(), { signal: stop.signal });
    stopped.catch(() => undefined);
    await until("the second shard is waited for", waits);
    expect(temporaries().length).toBe(1);
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ code: "INTERRUPTED" });
    expect([readFileSync(file, "utf8"), temporaries()]).toEqual([FORMER, []]);
    await locker.query("ROLLBACK");
    await until("its session has gone", async () => !(await waits()));

    await locker.query(lock);
    const process = startCommand(["run", path.join(directory, "flow.toml")]);
    await until("the second shard is waited for", waits);
    await until("the first shard's rows are written", () => temporaries().some((name) => readFileSync(path.join(directory, name)).length > 0));
    process.child.kill("SIGKILL");
    await process.ended;
    expect([readFileSync(file, "utf8"), temporaries().length]).toEqual([FORMER, 1]);
    await locker.query("ROLLBACK");

    // The connection is lost in the middle: all comes again, from the beginning.
    await locker.query(lock);
    const cut = runFlowToml(directory, toml());
    await until("the second shard is waited for", waits);
    await locker.query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'parts'::regclass");
    await locker.query("ROLLBACK");
    const { events } = await cut;
    expect(events.filter(({ type }) => type === "retry").length).toBe(1);
    expect(readFileSync(file, "utf8").trimEnd().split("\n").map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    expect(temporaries()).toEqual([]);
    await locker.end();
  });

  it("is not begun again where its rows went to standard output", async () => {
    const locker = await cluster.connect("half_1");
    await locker.query("BEGIN; LOCK TABLE parts IN ACCESS EXCLUSIVE MODE");
    const cut = runFlowToml(testDirectory(), toml().replace('"parts.csv"', '"-"'));
    cut.catch(() => undefined);
    await until("the second shard is waited for", async () => (await locker.query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'parts'::regclass")).rowCount === 1);
    await locker.query("ROLLBACK");
    await expect(cut).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    await locker.end();
  });
});
