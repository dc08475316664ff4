import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadDatabases, loadPipelineFile } from "../../src/config/load.js";
import { DATABASES, filesOf, flags, linesOf, loadFiles, loadText, PIPELINE_HEAD } from "./files.js";

const SEED_CONFIG = `#
# Production DB
#
[[databases]]
name = "prod"
host = "prod.a3iddibb9a0q.us-west-2.rds.amazonaws.com"

#
# New sharded DB
#
[[databases]]
name = "prod_2x"
host = "shard-0.a3iddibb9a0q.us-west-2.rds.amazonaws.com"
shard = 0

[[databases]]
name = "prod_2x"
host = "shard-1.a3iddibb9a0q.us-west-2.rds.amazonaws.com"
shard = 1

# Shard all tables that have the \`user_id\` column.
[[sharded_tables]]
database = "prod_2x"
column = "user_id"
data_type = "bigint"

# Shard the \`users\` table using
# its primary key (\`id\`) as the sharding key.
[[sharded_tables]]
database = "prod_2x"
column = "id"
table = "users"
data_type = "bigint"

#
# Resharding-only replicas.
#
[[databases]]
name = "prod"
host = "prod-resharding-replica-1.a3iddibb9a0q.us-west-2.rds.amazonaws.com"
resharding_only = true

[[databases]]
name = "prod"
host = "prod-resharding-replica-2.a3iddibb9a0q.us-west-2.rds.amazonaws.com"
role = "replica"
`;

const SEED_USERS = `[[users]]
name = "migrator"
database = "prod"
password = "hunter2"
schema_admin = true

[[users]]
name = "migrator"
database = "prod_2x"
password = "hunter3"
schema_admin = true
`;

const rds = (host: string): string => `${host}.a3iddibb9a0q.us-west-2.rds.amazonaws.com`;
const server = (host: string, database: string, password: string) => ({ host: rds(host), port: 5432, database, user: "migrator", password, sslmode: "prefer" });

test("PgDog's own examples of resharding load", () => {
  expect(loadFiles({ "pgdog.toml": SEED_CONFIG, "users.toml": SEED_USERS })).toEqual({
    from: {
      name: "prod",
      shards: [
        {
          number: 0,
          primary: server("prod", "prod", "hunter2"),
          replicas: [
            { ...server("prod-resharding-replica-1", "prod", "hunter2"), reshardingOnly: true },
            { ...server("prod-resharding-replica-2", "prod", "hunter2"), reshardingOnly: false },
          ],
        },
      ],
      sharding: { tables: [], schemas: [], omnisharded: [] },
    },
    to: {
      name: "prod_2x",
      shards: [
        { number: 0, primary: server("shard-0", "prod_2x", "hunter3"), replicas: [] },
        { number: 1, primary: server("shard-1", "prod_2x", "hunter3"), replicas: [] },
      ],
      sharding: {
        tables: [
          { column: "user_id", dataType: "bigint", hasher: "postgres", mapping: [] },
          { name: "users", column: "id", dataType: "bigint", hasher: "postgres", mapping: [] },
        ],
        schemas: [],
        omnisharded: [],
      },
    },
    publication: "all_tables",
    allowPartialPublication: false,
    onDdl: "stop",
    sequences: "sharded",
    slot: undefined,
    stages: [{ type: "copy" }],
    operators: [],
    general: {
      reshardingParallelCopies: 4,
      reshardingCopyFormat: "binary",
      reshardingCopyRetryMaxAttempts: 5,
      reshardingCopyRetryMinDelay: 1000,
      reshardingReplicationRetryMaxAttempts: 5,
      reshardingReplicationRetryMinDelay: 1000,
      reshardingParallelIndexBuilds: 2,
      reshardingMaintenanceWorkMem: undefined,
      integerPrimaryKeys: "bigint",
    },
    cutover: {
      traffic: { kind: "gateway" },
      stopThreshold: 1_000_000,
      timeout: 30_000,
      timeoutAction: "abort",
      lastTransactionDelay: 0,
      saveConfig: false,
      drainTimeout: 500,
      drainAction: "abort",
      verify: true,
      reverse: true,
    },
    pgDumpPath: undefined,
    notes: [],
  });
});

describe("a pipeline file", () => {
  test("holds everything itself, in the standard order without [[stages]]", () => {
    const pipeline = loadText(PIPELINE_HEAD + DATABASES);
    expect(pipeline.stages).toEqual([
      { type: "schema_sync", phase: "pre" },
      { type: "copy" },
      { type: "schema_sync", phase: "post" },
      { type: "replicate", until: "caught-up" },
      { type: "verify" },
    ]);
    expect(pipeline.slot).toBeUndefined();
    expect(pipeline.allowPartialPublication).toBe(false);
    expect(pipeline.sequences).toBe("sharded");
    expect(loadText(`${PIPELINE_HEAD}sequences = "same"\n${DATABASES}`).sequences).toBe("same");
    expect(loadText(`${PIPELINE_HEAD}allow_partial_publication = true\n${DATABASES}`).allowPartialPublication).toBe(true);
  });

  test("orders its stages and names its slot", () => {
    const stages = `[[stages]]\ntype = "copy"\n[[stages]]\ntype = "schema_sync"\nphase = "post"\n[[stages]]\ntype = "replicate"\n[[stages]]\ntype = "replicate"\nuntil = "stopped"\n[[stages]]\ntype = "verify"\n[[stages]]\ntype = "schema_sync"\nphase = "cutover"\n[[stages]]\ntype = "schema_sync"\nphase = "post-cutover"\n`;
    const pipeline = loadText(`${PIPELINE_HEAD}replication_slot = "my_slot"\n${DATABASES}${stages}`);
    expect(pipeline.slot).toBe("my_slot");
    expect(pipeline.stages).toEqual([
      { type: "copy" },
      { type: "schema_sync", phase: "post" },
      { type: "replicate", until: "caught-up" },
      { type: "replicate", until: "stopped" },
      { type: "verify" },
      { type: "schema_sync", phase: "cutover" },
      { type: "schema_sync", phase: "post-cutover" },
    ]);
  });

  test("starting with a byte order mark and with Windows line ends is read, positions included", () => {
    const text = `\uFEFF${PIPELINE_HEAD}${DATABASES}`.replaceAll("\n", "\r\n");
    expect(loadText(text).from.name).toBe("prod");
    expect(linesOf(() => loadText(text.replace("shard = 1", "shrad = 1")))).toContain('p.toml:19:1: [[databases]] has no key "shrad", did you mean "shard"?');
  });

  test("may use inline tables and dotted keys, positions included", () => {
    const text = `pipeline = { from = "prod", to = "prod_2x", publication = "p" }
general.resharding_parallel_copies = 9
databases = [
  { name = "prod", host = "a", user = "u" },
  { name = "prod_2x", host = "b", user = "u", prot = 5 },
]
`;
    expect(linesOf(() => loadText(text))).toEqual(['p.toml:5:47: [[databases]] has no key "prot", did you mean "port"?']);
    expect(loadText(text.replace("prot", "port")).general.reshardingParallelCopies).toBe(9);
  });

  describe("on disk", () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "configuration-"));
      await mkdir(join(folder, "pgdog"));
      await writeFile(join(folder, "pgdog", "pgdog.toml"), `${SEED_CONFIG}[general]\nresharding_parallel_copies = 8\nresharding_copy_format = "text"\ninteger_primary_keys = "keep"\nresharding_parallel_index_builds = 4\nresharding_maintenance_work_mem = "2GB"\n[replication]\npg_dump_path = "/usr/bin/pg_dump"\n`);
      await writeFile(join(folder, "pgdog", "users.toml"), SEED_USERS);
      await writeFile(join(folder, "p.toml"), `${PIPELINE_HEAD}config = "pgdog/pgdog.toml"\nusers = "pgdog/users.toml"\n[general]\nresharding_parallel_copies = 2\n`);
      await writeFile(join(folder, "bytes.toml"), Buffer.from([0xff, 0xfe, 0x00]));
    });
    afterAll(async () => {
      await rm(folder, { recursive: true });
    });

    test("names files relative to itself; its own settings win over theirs", () => {
      const pipeline = loadPipelineFile(join(folder, "p.toml"), {});
      expect(pipeline.to.shards.map((shard) => shard.primary.password)).toEqual(["hunter3", "hunter3"]);
      expect(pipeline.general).toMatchObject({ reshardingParallelCopies: 2, reshardingCopyFormat: "text", integerPrimaryKeys: "keep", reshardingParallelIndexBuilds: 4, reshardingMaintenanceWorkMem: "2GB" });
      expect(pipeline.pgDumpPath).toBe("/usr/bin/pg_dump");
    });

    test("that is not there, a directory or no text says so", () => {
      const missing = join(folder, "none.toml");
      expect(linesOf(() => loadPipelineFile(missing, {}))).toEqual([`${missing}: cannot read ${JSON.stringify(missing)}: there is no such file, expected a TOML file`]);
      expect(linesOf(() => loadPipelineFile(folder, {}))).toEqual([`${folder}: cannot read ${JSON.stringify(folder)}: it is a directory, expected a TOML file`]);
      const bytes = join(folder, "bytes.toml");
      expect(linesOf(() => loadPipelineFile(bytes, {}))).toEqual([`${bytes}: cannot read ${JSON.stringify(bytes)}: it is not UTF-8 text, expected a TOML file`]);
    });

    test("loads by flags, too", () => {
      const pipeline = loadDatabases(flags({ config: join(folder, "pgdog", "pgdog.toml"), users: join(folder, "pgdog", "users.toml"), slot: "s" }), {});
      expect(pipeline).toMatchObject({ slot: "s", publication: "all_tables", from: { name: "prod" } });
    });
  });

  test("that names files that are not there: each at its name, and nothing is said to be missing", () => {
    const text = `${PIPELINE_HEAD}config = "sub/pgdog.toml"\nusers = "users.toml"\n`;
    expect(linesOf(() => loadText(text))).toEqual([
      'p.toml:5:10: cannot read "sub/pgdog.toml": there is no such file, expected a TOML file',
      'p.toml:6:9: cannot read "users.toml": there is no such file, expected a TOML file',
    ]);
  });

  test("mistakes of the files it names have those files' places", () => {
    const files = { "p.toml": `${PIPELINE_HEAD}config = "d/c.toml"\nfrm = 1\n`, "d/c.toml": "[[databases]]\nname = 1\n[pipeline]\n" };
    expect(linesOf(() => loadPipelineFile("p.toml", {}, filesOf(files)))).toEqual([
      'p.toml:6:1: [pipeline] has no key "frm", did you mean "from"?',
      'd/c.toml:1:1: [[databases]] lacks "host", expected a string',
      'd/c.toml:2:8: "name" is an integer, expected a string',
      "d/c.toml:3:1: [pipeline] belongs in a pipeline file, expected only the sections of pgdog.toml and users.toml",
    ]);
  });
});

describe("flags", () => {
  const config = DATABASES;

  test("an undefined database is answered with the one that was meant", () => {
    expect(linesOf(() => loadFiles({ "pgdog.toml": config, "users.toml": "" }, { from: "Prod", to: "prod2x" }))).toEqual([
      '--from-database: no [[databases]] entry defines "Prod", expected one of "prod", "prod_2x", did you mean "prod"?',
      '--to-database: no [[databases]] entry defines "prod2x", expected one of "prod", "prod_2x", did you mean "prod_2x"?',
    ]);
  });

  test("a users file that was not asked for may be absent, one that was may not", () => {
    expect(loadFiles({ "pgdog.toml": config }, { usersOptional: true }).from.shards[0]?.primary.user).toBe("postgres");
    expect(linesOf(() => loadFiles({ "pgdog.toml": config }))).toEqual(['--users: cannot read "users.toml": there is no such file, expected a TOML file']);
    expect(linesOf(() => loadFiles({ "pgdog.toml": SEED_CONFIG }, { usersOptional: true }))).toEqual([
      'pgdog.toml:4:1: no user is configured for database "prod", expected one [[users]] entry for "prod" with schema_admin = true, or user and password here',
      'pgdog.toml:11:1: no user is configured for database "prod_2x", expected one [[users]] entry for "prod_2x" with schema_admin = true, or user and password here',
    ]);
  });

  test("an empty publication is refused", () => {
    expect(linesOf(() => loadFiles({ "pgdog.toml": config, "users.toml": "" }, { publication: "" }))).toEqual(["--publication: the name is empty, expected the name of a publication on the source"]);
  });
});

describe("logins", () => {
  const one = (database: string, users: string) => loadFiles({ "pgdog.toml": `${DATABASES}${database}`, "users.toml": users }, { from: "d", to: "prod_2x" }).from.shards[0]?.primary;

  test.each([
    ["the schema administrator, whatever else there is", "", '[[users]]\nname = "app"\ndatabase = "d"\npassword = "1"\n[[users]]\nname = "admin"\ndatabase = "d"\npassword = "2"\nschema_admin = true\n', "admin", "2"],
    ["one for several databases", "", '[[users]]\nname = "admin"\ndatabases = ["prod", "d"]\npassword = "2"\nschema_admin = true\n', "admin", "2"],
    ["one for all databases", "", '[[users]]\nname = "admin"\nall_databases = true\npasswords = ["2", "3"]\nschema_admin = true\n', "admin", "2"],
    ["server_user and server_password", "", '[[users]]\nname = "a"\npassword = "1"\nserver_user = "admin"\nserver_password = "2"\nall_databases = true\nschema_admin = true\n', "admin", "2"],
    ["no password", "", '[[users]]\nname = "admin"\nall_databases = true\nschema_admin = true\n', "admin", undefined],
    ["the entry's own, with two administrators", 'user = "me"\npassword = "own"\n', '[[users]]\nname = "a"\nall_databases = true\nschema_admin = true\n[[users]]\nname = "b"\nall_databases = true\nschema_admin = true\n', "me", "own"],
    ["the entry's user with that user's password", 'user = "me"\n', '[[users]]\nname = "me"\ndatabase = "d"\npassword = "mine"\n[[users]]\nname = "b"\nall_databases = true\npassword = "other"\nschema_admin = true\n', "me", "mine"],
    ["the administrator with the entry's password", 'password = "own"\n', '[[users]]\nname = "admin"\ndatabase = "d"\npassword = "2"\nserver_auth = "vault"\nvault_path = "x"\nschema_admin = true\n', "admin", "own"],
  ])("%s", (_, keys, users, user, password) => {
    expect(one(`[[databases]]\nname = "d"\nhost = "h"\n${keys}`, users)).toMatchObject({ user, password });
  });
});

test("roles: auto is the primary only where there is no other", () => {
  const entry = (host: string, keys: string): string => `[[databases]]\nname = "d"\nhost = "${host}"\nuser = "u"\n${keys}\n`;
  const text = entry("a", "") + entry("b", 'role = "auto"') + entry("c", 'shard = 1\nrole = "auto"') + entry("d", "shard = 1\nresharding_only = true") + entry("e", 'shard = 1\nrole = "auto"\nresharding_only = true');
  const shards = loadText(PIPELINE_HEAD.replace('"prod"', '"d"') + DATABASES + text).from.shards;
  expect(shards.map((shard) => [shard.primary.host, shard.replicas.map((replica) => `${replica.host} ${String(replica.reshardingOnly)}`)])).toEqual([
    ["a", ["b false"]],
    ["c", ["d true", "e true"]],
  ]);
});

test("sharding rules of every form, names taken literally", () => {
  const rules = `
[[sharded_tables]]
database = "prod_2x"
schema = "My Schema"
name = "Zähler"
column = "Kunde"
data_type = "varchar"
hasher = "sha1"
primary = true
mapping = [{ values = ["a", "b"], shard = 0 }, { start = "c", end = "x", shard = 1 }, { shard = 0 }]

[[sharded_tables]]
database = "prod_2x"
column = "tenant_id"

[[sharded_mappings]]
database = "prod_2x"
column = "tenant_id"
kind = "list"
values = [1, -9223372036854775808, 9007199254740993]
shard = 1

[[sharded_mappings]]
database = "prod_2x"
column = "tenant_id"
kind = "range"
start = 10
shard = 0

[[sharded_mappings]]
database = "prod_2x"
column = "tenant_id"
kind = "range"
end = 10
shard = 1

[[sharded_tables]]
database = "prod_2x"
name = "accounts"
column = "id"
data_type = "uuid"
[[sharded_tables.mapping]]
end = "80000000-0000-0000-0000-000000000000"
shard = 0
[[sharded_tables.mapping]]
start = "80000000-0000-0000-0000-000000000000"
shard = 1

[[sharded_schemas]]
database = "prod_2x"
name = "customer_a"
shard = 1

[[sharded_schemas]]
database = "prod_2x"
name = "reporting"
all = true

[[sharded_schemas]]
database = "prod_2x"

[[omnisharded_tables]]
database = "prod_2x"
tables = ["countries", "Currencies"]
sticky = true

[[omnisharded_tables]]
database = "prod_2x"
tables = ["settings"]
`;
  expect(loadText(PIPELINE_HEAD + DATABASES + rules).to.sharding).toEqual({
    tables: [
      {
        name: "Zähler",
        schema: "My Schema",
        column: "Kunde",
        dataType: "varchar",
        hasher: "sha1",
        mapping: [
          { kind: "list", values: ["a", "b"], shard: 0 },
          { kind: "range", start: "c", end: "x", shard: 1 },
          { kind: "default", shard: 0 },
        ],
      },
      {
        column: "tenant_id",
        dataType: "bigint",
        hasher: "postgres",
        mapping: [
          { kind: "list", values: [1n, -9223372036854775808n, 9007199254740993n], shard: 1 },
          { kind: "range", start: 10n, shard: 0 },
          { kind: "range", end: 10n, shard: 1 },
        ],
      },
      {
        name: "accounts",
        column: "id",
        dataType: "uuid",
        hasher: "postgres",
        mapping: [
          { kind: "range", end: "80000000-0000-0000-0000-000000000000", shard: 0 },
          { kind: "range", start: "80000000-0000-0000-0000-000000000000", shard: 1 },
        ],
      },
    ],
    schemas: [{ name: "customer_a", shard: 1 }, { name: "reporting", shard: 0, all: true }, { shard: 0 }],
    omnisharded: ["countries", "Currencies", "settings"],
  });
});

test("what only a proxy uses is accepted, and sections of it are noted", () => {
  const proxy = `
[general]
host = "0.0.0.0"
port = 6432
pooler_mode = "transaction"
cutover_timeout = 30_000
[admin]
password = "\${NOBODY_SETS_THIS}"
[tcp]
keepalive = true
[rewrite]
enabled = true
[query_stats]
[[mirroring]]
source_db = "a"
[[plugins]]
name = "x"
[[query_parsers]]
[[databases]]
name = "elsewhere"
host = "e"
role = "replica"
shard = 5
pool_size = 10
lb_weight = 3
[[users]]
name = "app"
database = "elsewhere"
pooler_mode = "session"
[[sharded_tables]]
database = "elsewhere"
column = "v"
data_type = "vector"
`;
  const pipeline = loadText(PIPELINE_HEAD + DATABASES + proxy);
  const first = (PIPELINE_HEAD + DATABASES).split("\n").length;
  expect(pipeline.notes).toEqual(
    [["tcp", 8], ["rewrite", 10], ["query_stats", 12], ["mirroring", 13], ["plugins", 15], ["query_parsers", 17]].map(
      ([name, line]) => `p.toml:${first + Number(line)}:1: [${name!}] is for PgDog as a proxy; pg-reshard does not use it`,
    ),
  );
});

test("a mapping of the table's own wins over [[sharded_mappings]], with a note", () => {
  const text = `${PIPELINE_HEAD}${DATABASES}[[sharded_tables]]\ndatabase = "prod_2x"\ncolumn = "id"\nmapping = [{ shard = 1 }]\n[[sharded_mappings]]\ndatabase = "prod_2x"\ncolumn = "id"\nkind = "default"\nshard = 0\n`;
  const line = (PIPELINE_HEAD + DATABASES).split("\n").length;
  const pipeline = loadText(text);
  expect(pipeline.to.sharding.tables[0]?.mapping).toEqual([{ kind: "default", shard: 1 }]);
  expect(pipeline.notes).toEqual([`p.toml:${line + 4}:1: not used, because p.toml:${line}:1 has a mapping of its own`]);
});
