import type pg from "pg";
import { expect } from "vitest";
import type { General, Pipeline, ShardingRules } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { differences, type PlacedTable } from "./oracle.js";
import { addressOf, makePipeline, type Place, type Run, runToEnd } from "./pipeline.js";
import { RoundWriter } from "./round-writer.js";
import { newShards } from "./shop.js";

export interface Scene {
  readonly cluster: Cluster;
  /** The shards'; the source's where absent, whose snapshots then wait for what is being written to the shards. */
  readonly shardCluster?: Cluster;
  /** Of the source's database; the shards' are called after it. */
  readonly name: string;
  readonly shards?: number;
  /** SQL of the source's tables; text is then stored outside a row that is large, and not compressed. */
  readonly schema: string;
  /** SQL of the first rows. */
  readonly rows?: string;
  /** SQL after CREATE PUBLICATION name. */
  readonly publication?: string;
  readonly sharding: Partial<ShardingRules>;
  /** What is compared at the end. */
  readonly tables: readonly PlacedTable[];
  readonly general?: Partial<General>;
}

export interface Stand {
  readonly scene: Scene;
  readonly source: Place;
  readonly shards: readonly Place[];
  readonly pipeline: Pipeline;
  /** A session on the source. */
  readonly client: pg.Client;
}

/** Makes source and empty shards. */
export async function stand(scene: Scene): Promise<Stand> {
  const { cluster, name, publication = "FOR ALL TABLES" } = scene;
  const source = { cluster, database: name };
  await cluster.createDatabase(name);
  const client = await cluster.connect(name);
  await client.query(scene.schema);
  await client.query(EXTERNAL_TEXTS);
  await client.query(scene.rows ?? "");
  await client.query(`CREATE PUBLICATION everything ${publication}`);
  const shards = await newShards(scene.shardCluster ?? cluster, `${name}_shard`, scene.shards ?? 2);
  const pipeline = makePipeline({
    from: addressOf(source),
    to: shards.map((shard) => addressOf(shard)),
    publication: "everything",
    sharding: scene.sharding,
    ...(scene.general === undefined ? {} : { general: scene.general }),
  });
  return { scene, source, shards, pipeline, client };
}

/** Rounds that are written while the copy is held back, and while the changes are streamed. */
const ROUNDS_AT_LEAST = 2;
/** Rounds that are written during each stage, where it takes so long: more would only keep the machine busy. */
const ROUNDS_AT_MOST = 8;

export interface Writing {
  /** One round of changes. They go on, round after round (from 1), from the start of the copy until verify, some in each stage. */
  readonly write: (client: pg.Client, round: number) => Promise<void>;
  /** As many rounds as the machine can write: where a stage waits for what a later round does. */
  readonly endless?: boolean;
  /** Changes made when the rounds have ended, streamed before verify compares. */
  readonly last?: (client: pg.Client) => Promise<void>;
}

/**
 * Runs the whole pipeline while a writer works, then compares every row. The first tables' snapshots are taken before
 * the first rounds, and none of them commits on the first shard before these have ended.
 */
export async function move({ scene, source, shards, pipeline, client }: Stand, { write, endless = false, last }: Writing): Promise<Run> {
  const writer = new RoundWriter(await scene.cluster.connect(scene.name), write);
  const blocker = await shards[0]!.cluster.connect(shards[0]!.database);
  let streamed = 0;
  try {
    const run = await runToEnd(pipeline, {
      async beforeStage(stage) {
        writer.allow(endless ? Infinity : ROUNDS_AT_MOST);
        if (stage.type === "copy") {
          await blocker.query("BEGIN; LOCK TABLE reshard.table_progress IN SHARE MODE");
          writer.start();
          // Where the writer fails the stage goes on, and `until` tells of it before verify.
          void writer.until(ROUNDS_AT_LEAST).catch(() => undefined).then(() => blocker.query("COMMIT"));
        }
        if (stage.type === "replicate") streamed = writer.rounds;
        if (stage.type === "verify") {
          await writer.until(streamed + ROUNDS_AT_LEAST);
          await writer.stop();
          await last?.(client);
        }
      },
    });
    expect(run.verdicts.filter((verdict) => !verdict.equal || verdict.misplaced > 0)).toEqual([]);
    expect(await differences(source, shards, scene.tables)).toEqual([]);
    return run;
  } finally {
    await writer.stop();
    await blocker.end();
  }
}

/** SQL of text so large that it is stored outside its row, and never the same for two seeds (SQL too). */
export const large = (seed: string, bytes = 2400): string => `(SELECT left(string_agg(md5((${seed})::text || part), ''), ${bytes}) FROM generate_series(1, ${Math.ceil(bytes / 32)}) part)`;

const EXTERNAL_TEXTS = `
  DO $$ DECLARE it record; BEGIN
    FOR it IN SELECT c.oid::regclass AS name, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND a.atttypid = 'text'::regtype AND a.attnum > 0 AND NOT a.attisdropped LOOP
      EXECUTE format('ALTER TABLE ONLY %s ALTER %I SET STORAGE EXTERNAL', it.name, it.attname);
    END LOOP;
  END $$`;
