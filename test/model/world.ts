import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type pg from "pg";
import type { Pipeline, Stage } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { finishMigration } from "../../src/pipelines/finish.js";
import { differences } from "../support/oracle.js";
import { addressOf, makePipeline, type Place, runToEnd } from "../support/pipeline.js";
import type { Statement } from "./changes.js";
import { pipelineToml } from "./pipeline-toml.js";
import { launchHere, launchProcess } from "./launch.js";
import { Supervisor } from "./supervisor.js";
import { definitionOf, type ModelTable, placementOf, rulesOf } from "./tables.js";
import { until } from "./until.js";

export interface WorldShape {
  readonly sources: number;
  readonly shards: number;
  readonly tables: readonly ModelTable[];
  /** Runs are processes of their own, which can be killed. */
  readonly processes: boolean;
  /** The tables are made on the shards by the pipeline, their keys after their rows; else they are there before. */
  readonly syncsSchema: boolean;
}

/** A source and shards of one seed, each a database, with a run of the pipeline in the background. */
export class World {
  readonly shape: WorldShape;
  readonly sources: readonly Place[];
  readonly shards: readonly Place[];
  readonly supervisor: Supervisor;
  /** What happened, for a failure's message. */
  readonly story: string[] = [];
  readonly #writers: readonly pg.Client[];
  readonly #admin: pg.Client;
  readonly #directory: string;

  private constructor(parts: { shape: WorldShape; sources: readonly Place[]; shards: readonly Place[]; writers: readonly pg.Client[]; admin: pg.Client }) {
    this.shape = parts.shape;
    this.sources = parts.sources;
    this.shards = parts.shards;
    this.#writers = parts.writers;
    this.#admin = parts.admin;
    this.#directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-model-"));
    const pipeline = this.#pipeline({ type: "replicate", until: "stopped" });
    const file = path.join(this.#directory, "pipeline.toml");
    if (this.shape.processes) writeFileSync(file, pipelineToml(pipeline));
    this.supervisor = new Supervisor((onEvent) => (this.shape.processes ? launchProcess(file, onEvent) : launchHere(pipeline, onEvent)), (line) => { this.note(line); });
  }

  static async create(cluster: Cluster, name: string, shape: WorldShape): Promise<World> {
    const admin = await cluster.connect();
    const make = async (role: "source" | "shard", count: number): Promise<Place[]> => {
      const places = Array.from({ length: count }, (_, number) => ({ cluster, database: `${name}_${role}_${number}` }));
      for (const { database } of places) {
        await cluster.createDatabase(database);
        const client = await cluster.connect(database);
        if (role === "source" || !shape.syncsSchema) await client.query(shape.tables.map((table) => definitionOf(table, role)).join("; "));
        if (role === "source") await client.query("CREATE PUBLICATION p FOR ALL TABLES");
        await client.end();
      }
      return places;
    };
    const sources = await make("source", shape.sources);
    const shards = await make("shard", shape.shards);
    const writers = await Promise.all(sources.map(({ database }) => cluster.connect(database)));
    return new World({ shape, sources, shards, writers, admin });
  }

  note(line: string): void {
    this.story.push(line);
  }

  /** Runs a statement on the source and sees that it did what it should. */
  async write({ source, text, values, rows }: Statement): Promise<void> {
    const { rowCount } = await this.#writers[source]!.query(text, [...values]);
    if (rows !== undefined && rowCount !== rows) throw new Error(`${text} was about ${rowCount} rows, not ${rows}: the model is wrong`);
  }

  /** The same on all shards of the source. */
  async everywhere(text: string, order = this.#writers.map((_, source) => source)): Promise<void> {
    for (const source of order) await this.#writers[source]!.query(text);
  }

  /** Adds a column to the shards that have the table, then to the source. */
  async addColumn(table: string, column: string): Promise<void> {
    for (const { cluster, database } of this.shards) {
      const client = await cluster.connect(database);
      await client.query(`ALTER TABLE IF EXISTS ${table} ADD COLUMN ${column}`);
      await client.end();
    }
    await this.everywhere(`ALTER TABLE ${table} ADD COLUMN ${column}`);
  }

  /** Ends our sessions with a database, as an administrator would. */
  async disconnect({ database }: Place): Promise<void> {
    const { rowCount } = await this.#admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'pg-reshard %'", [database]);
    this.note(`  ${rowCount ?? 0} sessions with ${database} ended`);
  }

  /** The process that sends a source shard's changes. */
  async walSender(source: number): Promise<number | undefined> {
    const { rows } = await this.#admin.query<{ pid: number }>("SELECT active_pid AS pid FROM pg_replication_slots WHERE database = $1 AND NOT temporary AND active", [this.sources[source]!.database]);
    return rows[0]?.pid;
  }

  /** Whether one of our sessions with a shard waits for a lock. */
  async isBlocked({ database }: Place): Promise<boolean> {
    const { rowCount } = await this.#admin.query("SELECT FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'pg-reshard %' AND wait_event_type = 'Lock'", [database]);
    return rowCount !== 0;
  }

  /** What the shards should have and do not, or have and should not. */
  async differences(): Promise<string[]> {
    return await differences(this.sources, this.shards, this.shape.tables.map(placementOf));
  }

  /** Waits until the background run has brought everything. */
  async arrival(): Promise<void> {
    let last: string[] = [];
    await until("the shards have what the source has", async () => {
      this.supervisor.check();
      last = await this.differences();
      return last.length === 0;
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${last.join("\n")}`);
    });
  }

  /** Runs the pipeline to its end, with nobody writing, and compares. */
  async settle(): Promise<void> {
    const run = await runToEnd(this.#pipeline({ type: "replicate", until: "caught-up" }, { type: "verify" }));
    const found = await this.differences();
    const wrong = run.verdicts.filter(({ equal, misplaced }) => !equal || misplaced > 0);
    if (found.length > 0) throw new Error(`source and shards differ${run.sound ? ", though verify finds them equal" : ""}:\n${found.join("\n")}`);
    if (!run.sound) throw new Error(`verify finds differences where there are none: ${JSON.stringify(wrong)}`);
  }

  async remove(): Promise<void> {
    await this.supervisor.stop().catch(() => undefined);
    await finishMigration({ pipeline: this.#pipeline(), dropProgress: true }).catch(() => undefined);
    await Promise.all(this.#writers.map((client) => client.end()));
    for (const { database } of this.sources) await this.#admin.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT active", [database]);
    for (const { database } of [...this.sources, ...this.shards]) await this.#admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
    await this.#admin.end();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The stages behind the copy's are given. */
  #pipeline(...then: readonly Stage[]): Pipeline {
    const rules = rulesOf(this.shape.tables);
    const copy: readonly Stage[] = this.shape.syncsSchema ? [{ type: "schema_sync", phase: "pre" }, { type: "copy" }, { type: "schema_sync", phase: "post" }] : [{ type: "copy" }];
    const stages = [...copy, ...then];
    return makePipeline({
      from: this.sources.map((place) => addressOf(place)), fromSharding: rules, to: this.shards.map((place) => addressOf(place)), publication: "p", sharding: rules, stages,
    });
  }
}
