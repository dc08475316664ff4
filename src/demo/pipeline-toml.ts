import { counted } from "../words.js";

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
    `# Every table that has a column user_id. Tables that no rule names are omnisharded: the same rows on every shard.
[[sharded_tables]]
database = "shop_sharded"
column = "user_id"
data_type = "bigint"
`,
    ...namedTables.map(
      ({ schema, name, column, type }) => `[[sharded_tables]]
database = "shop_sharded"
schema = "${schema}"
name = "${name}"
column = "${column}"
data_type = "${type}"
`,
    ),
    stages,
  ].join("\n");
}

const namedTables = [
  { schema: "public", name: "users", column: "id", type: "bigint" },
  { schema: "public", name: "devices", column: "id", type: "uuid" },
  { schema: "public", name: "sessions", column: "device_id", type: "uuid" },
  { schema: "crm", name: "tenants", column: "slug", type: "varchar" },
  { schema: "crm", name: "tenant_events", column: "tenant", type: "varchar" },
] as const;

function header(shards: number): string {
  return `# One PostgreSQL database, a small shop, becomes ${counted(shards, "shard")} while it is being written to.
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
[[stages]]
type = "schema_sync"
phase = "pre"

[[stages]]
type = "copy"

[[stages]]
type = "schema_sync"
phase = "post"

[[stages]]
type = "replicate"
until = "caught-up"

[[stages]]
type = "verify"
`;
