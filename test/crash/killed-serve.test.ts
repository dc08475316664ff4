import { createServer, type AddressInfo } from "node:net";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { CutoverStep } from "../../src/progress/cutover-journal.js";
import { type CommandRun, startCommand } from "../support/cli.js";
import { startTestCluster } from "../support/cluster.js";
import { ADMIN_PASSWORD, APP_PASSWORD, databasesToml, GENERAL_TOML, ServedFiles, usersToml } from "../support/served.js";

/* A gateway that is killed at each step of cutovers, there and back, while applications write through it. */

const STEPS: readonly CutoverStep[] = ["ready", "pause", "fence", "drain", "finish", "switch", "resume"];
const WRITERS = 3;

let old: Cluster;
let fresh: Cluster;
let files: ServedFiles;
let port: number;
let run: CommandRun;

beforeAll(async () => {
  [old, fresh] = await Promise.all([startTestCluster(), startTestCluster()]);
  await old.createDatabase("shop");
  await fresh.createDatabase("shop");
  const client = await old.connect("shop");
  await client.query("CREATE TABLE entries (id bigserial PRIMARY KEY, writer int NOT NULL, number int NOT NULL, UNIQUE (writer, number)); CREATE PUBLICATION all_tables FOR ALL TABLES");
  await client.end();
  port = await freePort();
  files = new ServedFiles(GENERAL_TOML.replace("port = 0", `port = ${port}`) + databasesToml({ prod: [{ cluster: old, database: "shop" }], prod_2x: [{ cluster: fresh, database: "shop" }] }), usersToml(old));
});
afterAll(() => { run.child.kill("SIGKILL"); });

/** One that nobody has now: the gateway has to come back on the same. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => { server.close(resolve); });
  return free;
}

/** Resolves when the gateway listens. With `killAt` it is killed as soon as that step of a cutover begins. */
async function startServe(killAt: () => CutoverStep | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    run = startCommand(["--json", "--config", files.config, "--users", files.users, "serve"], {
      onEvent(event) {
        if (event.type === "listening") resolve();
        const { event: inner } = event as { event?: { type: string; step?: string; state?: string } };
        if (inner?.type === "cutover-step" && inner.state === "began" && inner.step === killAt()) run.child.kill("SIGKILL");
      },
    });
    void run.ended.then((code) => { reject(new Error(`serve ended with ${code}: ${run.stderr()}`)); });
  });
}

async function connect(database: string, user: string, password: string): Promise<pg.Client> {
  const client = new pg.Client({ host: "127.0.0.1", port, database, user, password });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

class Writer {
  readonly acknowledged = new Set<number>();
  readonly inDoubt = new Set<number>();
  #stop = false;
  #next = 0;
  readonly #loop: Promise<void>;

  constructor(readonly number: number) {
    this.#loop = this.#write();
    this.#loop.catch(() => undefined);
  }

  async #write(): Promise<void> {
    while (!this.#stop) {
      const client = await connect("prod", "app", APP_PASSWORD).catch(() => undefined);
      if (client === undefined) {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      for (let open = true; open && !this.#stopping(); ) {
        const number = this.#next++;
        let committing = false;
        try {
          await client.query("BEGIN");
          await client.query("INSERT INTO entries (writer, number) VALUES ($1, $2)", [this.number, number]);
          committing = true;
          await client.query("COMMIT");
          this.acknowledged.add(number);
        } catch {
          if (committing) this.inDoubt.add(number);
          open = false;
        }
      }
      await client.end().catch(() => undefined);
    }
  }

  #stopping(): boolean {
    return this.#stop;
  }

  async more(transactions: number): Promise<void> {
    const until = this.acknowledged.size + transactions;
    while (this.acknowledged.size < until) await Promise.race([this.#loop, new Promise((resolve) => setImmediate(resolve))]);
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#loop;
  }
}

type TaskRow = Readonly<Record<"id" | "scope" | "type" | "status" | "inner_status", string>>;

/** Waits for the one task that replicates. */
async function replicating(admin: pg.Client): Promise<TaskRow> {
  for (;;) {
    const { rows } = await admin.query<TaskRow>("SHOW TASKS");
    const failed = rows.find(({ status }) => status.startsWith("failed"));
    if (failed !== undefined) throw new Error(`${failed.type}: ${failed.status}`);
    // The replication itself is a task, or the last part of one; a root task is above its parts.
    const live = rows.findIndex(({ type, status, inner_status: inner }) => type.startsWith("replication") && status === "running" && inner === "replicating");
    if (live >= 0) return rows.slice(0, live + 1).findLast(({ scope }) => scope === "root")!;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Types CUTOVER until the task takes it: one that was gone on with opens its sessions first. */
async function typeCutover(admin: pg.Client, id: string): Promise<void> {
  for (;;) {
    try {
      await admin.query(`CUTOVER ${id}`);
      return;
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes("not a replication task")) throw error;
      await replicating(admin);
    }
  }
}

async function stored(cluster: Cluster): Promise<Map<number, Set<number>>> {
  const client = await cluster.connect("shop");
  const { rows } = await client.query<{ writer: number; numbers: number[] }>("SELECT writer, array_agg(number ORDER BY number) AS numbers FROM entries GROUP BY 1");
  await client.end();
  return new Map(rows.map(({ writer, numbers }) => [writer, new Set(numbers)]));
}

test("killed at each step, there and back: nothing that was acknowledged is lost, and one side is in charge", async () => {
  let killAt: CutoverStep | undefined;
  await startServe(() => killAt);
  const writers = Array.from({ length: WRITERS }, (_, number) => new Writer(number));
  let admin = await connect("admin", "admin", ADMIN_PASSWORD);
  await admin.query("COPY_DATA prod prod_2x all_tables");
  const outcomes: string[] = [];
  for (const direction of ["there", "back"]) {
    for (const step of STEPS) {
      const before = await replicating(admin);
      await Promise.all(writers.map((writer) => writer.more(5)));
      killAt = step;
      await typeCutover(admin, before.id);
      expect(await run.ended).toBe(null);
      await admin.end().catch(() => undefined);
      killAt = undefined;
      await startServe(() => killAt);
      admin = await connect("admin", "admin", ADMIN_PASSWORD);
      const after = await replicating(admin);
      await Promise.all(writers.map((writer) => writer.more(5)));
      outcomes.push(`${direction}, killed at ${step}: ${after.id === before.id ? "undone" : "finished"}`);
      // Undone, it can be done; finished, the next step needs the same direction again.
      if (step === STEPS.at(-1) || after.id === before.id) continue;
      await typeCutover(admin, after.id);
      while ((await replicating(admin)).id === after.id) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const expected = (step: CutoverStep): string => (step === "resume" ? "finished" : step === "switch" ? "undone or finished" : "undone");
  // A kill at the switch comes before or after the file is written.
  expect(outcomes.map((outcome) => (outcome.includes("at switch") ? outcome.replace(/(?:undone|finished)$/, "undone or finished") : outcome))).toEqual(
    ["there", "back"].flatMap((direction) => STEPS.map((step) => `${direction}, killed at ${step}: ${expected(step)}`)),
  );

  await Promise.all(writers.map((writer) => writer.stop()));
  // What streams catches up.
  for (;;) {
    const sides = await Promise.all([stored(old), stored(fresh)]);
    const equal = JSON.stringify([...sides[0]].map(([writer, numbers]) => [writer, [...numbers]])) === JSON.stringify([...sides[1]].map(([writer, numbers]) => [writer, [...numbers]]));
    if (!equal) {
      await replicating(admin);
      continue;
    }
    for (const writer of writers) {
      const numbers = sides[0].get(writer.number)!;
      expect([...writer.acknowledged].filter((number) => !numbers.has(number))).toEqual([]);
      expect([...numbers].filter((number) => !writer.acknowledged.has(number) && !writer.inDoubt.has(number))).toEqual([]);
    }
    break;
  }
  await admin.end();
}, 600_000);
