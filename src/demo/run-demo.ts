import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { loadPipelineFile } from "../config/load.js";
import type { Pipeline } from "../config/types.js";
import type { Cluster } from "../embedded/cluster.js";
import { ReshardError } from "../errors.js";
import type { PipelineEvent } from "../pipelines/events.js";
import { finishMigration } from "../pipelines/finish.js";
import { runPipeline, type RunResult } from "../pipelines/run-pipeline.js";
import type { DemoEvent } from "./demo-event.js";
import { DEMO_DATABASE, demoEnvironment, DemoServers, type KeptServers, keptServers } from "./demo-servers.js";
import { loadShop } from "./load-shop.js";
import { demoPipelineToml } from "./pipeline-toml.js";
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
  /** Called with what is about to be run. */
  readonly onPipeline?: (pipeline: Pipeline) => void;
  /** Aborted when the operator asks to stop. */
  readonly signal: AbortSignal;
}

export interface DemoResult extends RunResult {
  readonly shards: number;
  readonly writers: WriterReport;
  readonly milliseconds: number;
  /** Set where the servers, and with them the slot, were left. */
  readonly kept: (KeptServers & { readonly pipelineFile: string }) | undefined;
}

const WRITERS = 4;
const WRITERS_REPORT_MILLISECONDS = 1000;

/**
 * The main job on servers of its own: a shop that is being written to becomes shards, through the code of
 * `pg-reshard run`. The writers stop when the shards are in sync, what is left is drained, and the two are compared.
 *
 * Fails with INTERRUPTED when it is stopped, DEMO_WRITER_FAILED, or what the pipeline fails with; no server is left then.
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const demo = new Demo(options);
  const stopped = new Promise<never>((_, reject) => {
    const stop = (): void => { reject(demoStopped()); };
    if (options.signal.aborted) stop();
    else options.signal.addEventListener("abort", stop, { once: true });
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
  /** For the pipeline file of any number of shards but two. */
  readonly #directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-demo-"));
  #writers: Writers | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  async perform(): Promise<DemoResult> {
    const { rows, shards, keep, report } = this.#options;
    const began = Date.now();
    const [source, ...destinations] = await this.#servers.start(shards, keep);
    report({ type: "demo-servers-started", shards, milliseconds: Date.now() - began });
    const loadBegan = Date.now();
    const loaded = await fillSource(source!, rows);
    report({ type: "demo-shop-loaded", tables: shopTables.length, rows: loaded, milliseconds: Date.now() - loadBegan });
    const pipelineFile = this.#pipelineFile();
    const pipeline = loadPipelineFile(pipelineFile, demoEnvironment(source!, destinations));
    const done = await this.#reshard(source!, pipeline);
    if (!keep) await finishMigration({ pipeline, dropProgress: false });
    const kept = keep ? { ...keptServers(source!, destinations, [this.#directory]), pipelineFile } : undefined;
    return { ...done, shards, milliseconds: Date.now() - began, kept };
  }

  /** Stops writers and servers, wherever they are, and removes every file. */
  async clear(): Promise<void> {
    await this.#writers?.stop().catch(() => undefined);
    await this.#servers.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The repository's example where it fits, so that the demo runs what its reader reads. */
  #pipelineFile(): string {
    const example = fileURLToPath(new URL("../../examples/demo.toml", import.meta.url));
    if (this.#options.shards === 2 && existsSync(example)) return example;
    const file = path.join(this.#directory, "demo.toml");
    writeFileSync(file, demoPipelineToml(this.#options.shards));
    return file;
  }

  /** Runs the pipeline beside the writers; one that fails ends it. */
  async #reshard(source: Cluster, pipeline: Pipeline): Promise<RunResult & { readonly writers: WriterReport }> {
    const { report, onPipeline, signal } = this.#options;
    const writers = await startWriters(() => source.connect(DEMO_DATABASE), WRITERS);
    this.#writers = writers;
    const began = Date.now();
    const ticking = setInterval(() => {
      report({ type: "demo-writers", writers: WRITERS, transactions: writers.report().committed });
    }, WRITERS_REPORT_MILLISECONDS);
    let final: WriterReport | undefined;
    const stopWriters = async (): Promise<void> => {
      if (final !== undefined) return;
      clearInterval(ticking);
      final = await writers.stop();
      const { committed, rolledBack, retried } = final;
      report({ type: "demo-writers-stopped", writers: WRITERS, committed, rolledBack, retried, milliseconds: Date.now() - began });
    };
    const giveUp = new AbortController();
    try {
      onPipeline?.(pipeline);
      const running = runPipeline({
        pipeline,
        report,
        signal: AbortSignal.any([signal, giveUp.signal]),
        async beforeStage(stage) {
          if (stage.type === "verify") await stopWriters();
        },
      });
      const result = await Promise.race([running, failureOf(writers)]);
      await stopWriters();
      return { ...result, writers: final! };
    } finally {
      clearInterval(ticking);
      giveUp.abort();
    }
  }
}

function demoStopped(): ReshardError {
  return new ReshardError("INTERRUPTED", "The demo was stopped; its servers are gone.");
}

async function fillSource(source: Cluster, rows: number): Promise<number> {
  const client = await source.connect(DEMO_DATABASE);
  try {
    await client.query(shopSchema);
    return await loadShop(client, rows);
  } finally {
    await client.end().catch(() => undefined);
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
