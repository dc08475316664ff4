import { STANDARD_STAGES_TOML } from "../config/standard-stages-toml.js";

/**
 * The pipeline file of the demo for that many shards (1 or more). `examples/demo.toml` is its output for 2.
 * Servers come from the environment: DEMO_SOURCE_PORT, and DEMO_SHARD_0_PORT and so on.
 */
export function demoPipelineToml(shards: number): string {
  const destinations = Array.from({ length: shards }, (_, shard) => database("shop_sharded", shard, `DEMO_SHARD_${shard}_PORT`));
  return [
    header(shards),
    database("shop", 0, "DEMO_SOURCE_PORT"),
    ...destinations,
    ...shardedTables(namedTables),
    stages,
  ].join("\n");
}

/**
 * The files of the demo's gateway in one, for that many shards; `examples/serve.toml` is its output for 2. Servers as in
 * the pipeline file; clients log in as DEMO_USER with DEMO_PASSWORD, and the admin database takes DEMO_PASSWORD too.
 */
export function demoServeToml(shards: number): string {
  return [
    serveHeader(shards),
    database("shop", 0, "DEMO_SOURCE_PORT"),
    ...Array.from({ length: shards }, (_, shard) => database("shop_sharded", shard, `DEMO_SHARD_${shard}_PORT`)),
    ...shardedTables([...namedTables, receipts]),
    `# What clients of the gateway log in with.
[[users]]
name = "\${DEMO_USER:-postgres}"
all_databases = true
password = "\${DEMO_PASSWORD}"
`,
  ].join("\n");
}

function shardedTables(named: readonly { readonly schema: string; readonly name: string; readonly column: string; readonly type: string }[]): string[] {
  return [
    `# Every table that has a column user_id. Tables that no rule names are omnisharded: the same rows on every shard.
[[sharded_tables]]
database = "shop_sharded"
column = "user_id"
data_type = "bigint"
`,
    ...named.map(
      ({ schema, name, column, type }) => `[[sharded_tables]]
database = "shop_sharded"
schema = "${schema}"
name = "${name}"
column = "${column}"
data_type = "${type}"
`,
    ),
  ];
}

/** What the demo's writers sign. */
const receipts = { schema: "public", name: "receipts", column: "writer", type: "bigint" } as const;

const namedTables = [
  { schema: "public", name: "users", column: "id", type: "bigint" },
  { schema: "public", name: "devices", column: "id", type: "uuid" },
  { schema: "public", name: "sessions", column: "device_id", type: "uuid" },
  { schema: "crm", name: "tenants", column: "slug", type: "varchar" },
  { schema: "crm", name: "tenant_events", column: "tenant", type: "varchar" },
] as const;

function header(shards: number): string {
  return `#:schema ../pipeline.schema.json
# One PostgreSQL database, a small shop, becomes ${shards} ${shards === 1 ? "shard" : "shards"} while it is being written to.
#
#   npm run demo                              starts the servers, fills the shop and runs this file
#   npx pg-reshard run examples/demo.toml     runs it on servers of yours
#
# The second form takes the ports from DEMO_SOURCE_PORT, DEMO_SHARD_0_PORT and so on, and the password from
# DEMO_PASSWORD; \`npm run demo -- --keep\` leaves its servers up and prints them.

[pipeline]
from = "shop"
to = "shop_sharded"
publication = "demo"
`;
}

function serveHeader(shards: number): string {
  return `#:schema ../pipeline.schema.json
# A gateway to a small shop, which becomes ${shards} ${shards === 1 ? "shard" : "shards"} when somebody types RESHARD into its admin database.
#
#   npm run demo                                                          does it, on servers of its own
#   npx pg-reshard serve -c examples/serve.toml -u examples/serve.toml    serves yours
#   psql -h 127.0.0.1 -p 6432 -U admin admin -c "RESHARD shop shop_sharded demo"

[general]
host = "127.0.0.1"
port = "\${DEMO_GATEWAY_PORT:-6432}"
two_phase_commit = ${shards > 1}
state_directory = "\${DEMO_STATE_DIRECTORY:-.}"

[admin]
password = "\${DEMO_PASSWORD}"
`;
}

function database(name: string, shard: number, port: string): string {
  return `[[databases]]
name = "${name}"
shard = ${shard}
host = "\${DEMO_HOST:-127.0.0.1}"
port = "\${${port}}"
database_name = "\${DEMO_DATABASE:-shop}"
user = "\${DEMO_USER:-postgres}"
password = "\${DEMO_PASSWORD}"
`;
}

const stages = `# The standard order, written out: without [[stages]] it is the same.
${STANDARD_STAGES_TOML}`;
