import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import type { Cluster } from "../embedded/cluster.js";
import { ReshardError } from "../errors.js";
import { packageFile } from "../package-file.js";
import type { PipelineEvent } from "../pipelines/events.js";
import { isSound, type TableVerdict } from "../pipelines/table-verdict.js";
import { serve, type Serving } from "../serve/serve.js";
import type { ServeEvent } from "../serve/serve-event.js";
import { AdminClient, type ShownTask } from "./admin-client.js";
import type { DemoEvent } from "./demo-event.js";
import { DEMO_DATABASE, demoEnvironment, DemoServers, type KeptServers, keptServers } from "./demo-servers.js";
import { loadShop } from "./load-shop.js";
import { demoServeToml } from "./pipeline-toml.js";
import { countReceipts, receiptsSchema, signReceipt } from "./receipts.js";
import { shopSchema } from "./shop-schema.js";
import { shopTables } from "./shop-tables.js";
import { startWriters, type Writers } from "./start-writers.js";
import type { WriterReport } from "./writer-report.js";

export interface DemoOptions {
  /** About so many rows in all. */
  readonly rows: number;
  readonly shards: number;
  /** Leave the servers up at the end, unless the demo fails or is stopped. */
  readonly keep: boolean;
  readonly report: (event: PipelineEvent | DemoEvent) => void;
  /** Called when servers and gateway are up. */
  readonly onStarted?: (servers: readonly Cluster[], gatewayPort: number) => void;
  /** Aborted when the operator asks to stop. */
  readonly signal: AbortSignal;
}

export interface DemoResult {
  /** Of the last comparison: all tables, source beside shards. */
  readonly verdicts: readonly TableVerdict[];
  /** Of transactions: what clients were told, and what is stored. */
  readonly receipts: { readonly told: number; readonly source: number; readonly shards: readonly number[] };
  /** All tables are equal and every transaction that was acknowledged, and no other, is stored on both sides. */
  readonly sound: boolean;
  readonly shards: number;
  readonly writers: WriterReport;
  /** Milliseconds that applications were held back, of the switch and of the rollback. */
  readonly pauses: readonly number[];
  readonly milliseconds: number;
  /** Set where the servers, and with them the slot, were left. */
  readonly kept: (KeptServers & { readonly serveFile: string }) | undefined;
}

const WRITERS = 4;
const WRITERS_REPORT_MILLISECONDS = 1000;

/** Transactions that the applications go on for after each switch. */
const GOES_ON = 300;
const ADMIN = "admin";

/**
 * The button, on servers of its own: a shop that applications write to through the gateway becomes shards when RESHARD is
 * typed into the admin database, and is rolled back; then both sides are compared with one another and with what the
 * applications were told.
 *
 * Fails with INTERRUPTED when it is stopped, DEMO_WRITER_FAILED, DEMO_TASK_FAILED, or what the gateway fails with; no server is left then.
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  if (options.signal.aborted) throw demoStopped();
  const demo = new Demo(options);
  const stopped = new Promise<never>((_, reject) => {
    options.signal.addEventListener("abort", () => { reject(demoStopped()); }, { once: true });
  });
  const performing = demo.perform();
  try {
    const result = await Promise.race([performing, stopped]);
    if (result.kept === undefined) await demo.clear();
    return result;
  } catch (error) {
    // What is still under way fails with its servers.
    performing.catch(() => undefined);
    await demo.clear();
    throw error;
  }
}

class Demo {
  readonly #options: DemoOptions;
  readonly #servers = new DemoServers();
  /** Which side is in charge, and the gateway's file for any number of shards but two. */
  readonly #directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-demo-"));
  readonly #giveUp = new AbortController();
  readonly #pauses: number[] = [];
  #verdicts: TableVerdict[] = [];
  #writers: Writers | undefined;
  #serving: Serving | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  async perform(): Promise<DemoResult> {
    const { rows, shards, keep, report, onStarted } = this.#options;
    const began = Date.now();
    const [source, ...destinations] = await this.#servers.start(shards, keep);
    report({ type: "demo-servers-started", shards, milliseconds: Date.now() - began });
    const loadBegan = Date.now();
    const loaded = await fillSource(source!, rows);
    report({ type: "demo-shop-loaded", tables: shopTables.length, rows: loaded, milliseconds: Date.now() - loadBegan });
    const serveFile = this.#serveFile();
    const environment = { ...demoEnvironment(source!, destinations), DEMO_STATE_DIRECTORY: this.#directory };
    const serving = await this.#serve(serveFile, { ...environment, DEMO_GATEWAY_PORT: "0" });
    onStarted?.([source!, ...destinations], serving.port);
    const writers = await this.#move(source!, serving);
    await serving.close();
    const receipts = { told: writers.committed, source: await receiptsOn(source!), shards: await Promise.all(destinations.map(receiptsOn)) };
    const stored = receipts.shards.reduce((sum, count) => sum + count, 0);
    const kept = keep ? { ...keptServers(source!, destinations, [this.#directory]), environment, serveFile } : undefined;
    return {
      verdicts: this.#verdicts, receipts, shards, writers, pauses: this.#pauses, milliseconds: Date.now() - began, kept,
      sound: this.#verdicts.length > 0 && this.#verdicts.every(isSound) && receipts.told === receipts.source && receipts.told === stored,
    };
  }

  /** Stops writers, gateway and servers, wherever they are, and removes every file. */
  async clear(): Promise<void> {
    this.#giveUp.abort();
    await this.#writers?.stop().catch(() => undefined);
    await this.#serving?.close();
    await this.#servers.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The repository's example where it fits, so that the demo serves what its reader reads. */
  #serveFile(): string {
    const example = fileURLToPath(packageFile("examples/serve.toml"));
    if (this.#options.shards === 2 && existsSync(example)) return example;
    const file = path.join(this.#directory, "serve.toml");
    writeFileSync(file, demoServeToml(this.#options.shards));
    return file;
  }

  async #serve(file: string, environment: Readonly<Record<string, string>>): Promise<Serving> {
    const began = Date.now();
    const serving = await serve({ files: { config: file, users: file }, environment, version: "demo", report: (event) => { this.#hear(event); } });
    this.#serving = serving;
    this.#options.report({ type: "demo-gateway-started", host: serving.host, port: serving.port, milliseconds: Date.now() - began });
    return serving;
  }

  #hear(event: ServeEvent): void {
    if (event.type === "note") this.#options.report(event);
    if (event.type !== "task") return;
    if (event.event.type === "verify-started") this.#verdicts = [];
    if (event.event.type === "table-verified") this.#verdicts.push(event.event.verdict);
    if (event.event.type === "cutover-ended" && event.event.paused !== undefined) this.#pauses.push(event.event.paused);
    this.#options.report(event.event);
  }

  /** There and back, beside the writers; one that fails ends it. */
  async #move(source: Cluster, serving: Serving): Promise<WriterReport> {
    const { report, signal } = this.#options;
    const connectTo = async (database: string, user: string): Promise<pg.Client> => {
      const client = new pg.Client({ host: serving.host, port: serving.port, user, password: source.password, database });
      client.on("error", () => undefined);
      await client.connect();
      return client;
    };
    const began = Date.now();
    const writers = await startWriters(() => connectTo(DEMO_DATABASE, source.user), WRITERS, { kinds: "sharded", sign: signReceipt });
    this.#writers = writers;
    const ticking = setInterval(() => {
      report({ type: "demo-writers", writers: WRITERS, transactions: writers.report().committed });
    }, WRITERS_REPORT_MILLISECONDS);
    const admin = new AdminClient(await connectTo(ADMIN, ADMIN), (sql) => { report({ type: "demo-typed", sql }); });
    const stopped = AbortSignal.any([signal, this.#giveUp.signal]);
    const until = async (wanted: (task: ShownTask) => boolean): Promise<ShownTask> => await Promise.race([admin.until(wanted, stopped), failureOf(writers)]);
    try {
      const goOn = async (): Promise<void> => {
        const { committed } = writers.report();
        await writers.until((sofar) => sofar.committed >= committed + GOES_ON);
        report({ type: "demo-went-on", transactions: writers.report().committed - committed, longest: writers.report().longest });
      };
      const streamsBack = (task: ShownTask, after: string): boolean => task.id !== null && Number(task.id) > Number(after) && task.type.startsWith("replication") && task.status === "running" && task.inner_status === "replicating";

      writers.forgetLongest();
      const { task_id: there } = await admin.type(`RESHARD ${DEMO_DATABASE} ${DEMO_DATABASE}_sharded demo`);
      const back = await until((task) => streamsBack(task, there!));
      await goOn();

      writers.forgetLongest();
      await admin.type(`CUTOVER ${back.id!}`);
      const again = await until((task) => streamsBack(task, back.id!));
      await goOn();

      clearInterval(ticking);
      const final = await writers.stop();
      const { committed, rolledBack, retried } = final;
      report({ type: "demo-writers-stopped", writers: WRITERS, committed, rolledBack, retried, milliseconds: Date.now() - began });
      const { task_id: verify } = await admin.type(`VERIFY ${DEMO_DATABASE} ${DEMO_DATABASE}_sharded demo`);
      await until((task) => task.id === verify && task.status === "finished");
      if (!this.#options.keep) {
        await admin.type(`STOP_TASK ${again.id!}`);
        await until((task) => task.id === again.id && task.status !== "running" && task.status !== "cancelling");
      }
      return final;
    } finally {
      clearInterval(ticking);
      await admin.end();
    }
  }
}

async function receiptsOn(cluster: Cluster): Promise<number> {
  const client = await cluster.connect(DEMO_DATABASE);
  try {
    return await countReceipts(client);
  } finally {
    await client.end();
  }
}

function demoStopped(): ReshardError {
  return new ReshardError("INTERRUPTED", "The demo was stopped; its servers are gone.", { remedy: "Run it again: it begins anew." });
}

async function fillSource(source: Cluster, rows: number): Promise<number> {
  const sessions = [await source.connect(DEMO_DATABASE), await source.connect(DEMO_DATABASE)] as const;
  try {
    await sessions[0].query(shopSchema);
    await sessions[0].query(receiptsSchema);
    return await loadShop(sessions, rows);
  } finally {
    await Promise.allSettled(sessions.map((client) => client.end()));
  }
}

/** Rejects when a writer fails, never resolves. */
async function failureOf(writers: Writers): Promise<never> {
  try {
    await writers.until(() => false);
  } catch (error) {
    if (!(error instanceof ReshardError && error.code === "DEMO_WRITERS_STOPPED")) throw error;
  }
  return await new Promise<never>(() => undefined);
}
