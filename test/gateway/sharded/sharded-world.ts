import type pg from "pg";
import type { Database, ShardingRules } from "../../../src/config/types.js";
import type { Cluster } from "../../../src/embedded/cluster.js";
import type { ShardedOptions } from "../../../src/gateway/sharded/sharded-database.js";
import { ShardedDatabases } from "../../../src/gateway/sharded/sharded-databases.js";
import { addressOf, startGateway, type TestGateway, type TestGatewayOptions } from "../../support/gateway.js";
import { WORLD_RULES, WORLD_SCHEMA } from "../planning/differential-world.js";

export interface ShardedWorld extends TestGateway {
  readonly database: Database;
  readonly databases: ShardedDatabases;
  /** A session on each shard, besides the gateway. */
  readonly shards: readonly pg.Client[];
  /** What went wrong in the background. */
  readonly errors: unknown[];
}

export interface WorldOptions extends Partial<ShardedOptions> {
  readonly gateway?: TestGatewayOptions;
  readonly schema?: string;
  readonly rules?: ShardingRules;
}

/** A gateway for a database whose shards are databases of one server: `name_0`, `name_1` … with the same schema each. */
export async function startWorld(cluster: Cluster, name: string, count: number, { gateway, schema = WORLD_SCHEMA, rules = WORLD_RULES, ...options }: WorldOptions = {}): Promise<ShardedWorld> {
  const names = Array.from({ length: count }, (_, shard) => `${name}_${shard}`);
  const shards: pg.Client[] = [];
  for (const shard of names) {
    await cluster.createDatabase(shard);
    const client = await cluster.connect(shard);
    await client.query(schema);
    shards.push(client);
  }
  const database: Database = { name, shards: names.map((shard, number) => ({ number, primary: addressOf(cluster, shard), replicas: [] })), sharding: rules };
  const errors: unknown[] = [];
  const databases = new ShardedDatabases(() => ({ twoPhaseCommit: false, deadlockTimeout: 10_000, recoveryInterval: 3_600_000, onError: (_, error) => errors.push(error), ...options }));
  const test = await startGateway([database], { shardedSession: databases.session, ...gateway });
  return Object.assign(test, { database, databases, shards, errors });
}
