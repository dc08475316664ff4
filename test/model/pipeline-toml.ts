import type { Database, Pipeline, Stage } from "../../src/config/types.js";

/** The file of a pipeline such as the model's worlds have, for the command line. */
export function pipelineToml({ from, to, publication, stages, general }: Pipeline): string {
  return [
    table("pipeline", { from: from.name, to: to.name, publication }),
    table("general", {
      resharding_copy_retry_max_attempts: general.reshardingCopyRetryMaxAttempts,
      resharding_copy_retry_min_delay: general.reshardingCopyRetryMinDelay,
      resharding_replication_retry_max_attempts: general.reshardingReplicationRetryMaxAttempts,
      resharding_replication_retry_min_delay: general.reshardingReplicationRetryMinDelay,
    }),
    ...[from, to].flatMap(databaseTables),
    ...stages.map((stage) => table("[stages]", stageKeys(stage))),
  ].join("\n");
}

function databaseTables({ name, shards, sharding }: Database): string[] {
  return [
    ...shards.map(({ number, primary: { host, port, database, user, password } }) => table("[databases]", { name, shard: number, host, port, database_name: database, user, password: password! })),
    ...sharding.tables.map((rule) => table("[sharded_tables]", { database: name, ...(rule.name === undefined ? {} : { name: rule.name }), column: rule.column, data_type: rule.dataType })),
  ];
}

function stageKeys(stage: Stage): Record<string, string> {
  return Object.fromEntries(Object.entries(stage).map(([key, value]) => [key, String(value)]));
}

function table(name: string, keys: Readonly<Record<string, string | number>>): string {
  return `[${name}]\n${Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join("")}`;
}
