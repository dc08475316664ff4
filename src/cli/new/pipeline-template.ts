import { STANDARD_STAGES_TOML } from "../../config/standard-stages-toml.js";

/** A new pipeline file: one server becomes two shards. It has no mistakes, and everything in it is there to be changed. */
export function pipelineTemplate(name: string): string {
  return `#:schema ./node_modules/pg-reshard/pipeline.schema.json
# ${name}: one PostgreSQL database becomes two shards.
#
#   pg-reshard check ${name}.toml              tells every mistake in this file; with --connect it asks the servers, too
#   pg-reshard graph ${name}.toml --expanded   shows what it will do
#   pg-reshard run ${name}.toml                does it; stopped or killed, it goes on where it was when it is run again

[pipeline]
from = "app"
to = "app_sharded"
# CREATE PUBLICATION app_tables FOR ALL TABLES, on the source.
publication = "app_tables"

# The source. Values may come from the environment: \${NAME}, or with a default \${NAME:-default}.
[[databases]]
name = "app"
host = "localhost"
user = "\${PGUSER:-postgres}"
password = "\${PGPASSWORD:-}"

# The shards, numbered from 0.
[[databases]]
name = "app_sharded"
shard = 0
host = "shard-0.example.com"
database_name = "app"
user = "\${PGUSER:-postgres}"
password = "\${PGPASSWORD:-}"

[[databases]]
name = "app_sharded"
shard = 1
host = "shard-1.example.com"
database_name = "app"
user = "\${PGUSER:-postgres}"
password = "\${PGPASSWORD:-}"

# Which column says where a row goes: in every table that has a column user_id, that one; in users, its id. Tables that no
# rule is for have the same rows on every shard.
[[sharded_tables]]
database = "app_sharded"
column = "user_id"
data_type = "bigint"

[[sharded_tables]]
database = "app_sharded"
name = "users"
column = "id"
data_type = "bigint"

# What is done, in order. Operators that the copy and the stream pass: operators = ["NAME"] in both, and a table
# [operators.NAME]; pg-reshard new operator NAME writes one.
${STANDARD_STAGES_TOML}
# What goes where, tried without a server: pg-reshard test ${name}.toml
[[tests]]
name = "a user's rows are on the user's shard"
table = "users"
columns = { id = "bigint primary key", name = "text" }
rows = [{ id = 1, name = "Ana" }, { id = 2, name = "Ben" }, { id = 3, name = "Cem" }]
expect = [{ id = 1, name = "Ana", shard = 0 }, { id = 2, name = "Ben", shard = 0 }, { id = 3, name = "Cem", shard = 1 }]

[[tests]]
name = "what has no user is everywhere"
table = "countries"
columns = { code = "text primary key" }
rows = [{ code = "DE" }]
expect = [{ code = "DE", shard = "every" }]
`;
}
