import { GENERATED } from "./generated.js";

/** A part of a JSON Schema, as `pg-reshard schema` prints it. */
export interface Schema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
}

/** Of what is accepted for PgDog's sake; see pipeline-json-schema.ts. */
const NOT_USED = "Of PgDog as a proxy; not used.";

/** What a stage of each type does. */
const STAGES: Readonly<Record<string, string>> = {
  schema_sync: "Makes one phase of the source's schema on the shards.",
  copy: "Copies all rows that are there, each to its shard.",
  replicate: "Streams what is changed meanwhile.",
  verify: "Compares count and checksum of every table, and looks whether each row is on its shard.",
  cutover: "Moves the applications; the last stage ([Operating a reshard](operating.md#cutover)).",
  flow: "Sends rows or changes from a source through operators into a sink. A file of flows and commands alone moves no database.",
  command: "Runs a command and goes on when it has ended well.",
};

/** What else is to be said of a section. */
const REMARKS: Readonly<Record<string, string>> = {
  operators: "[Operators](operators.md) has the stock ones with their options; [Write an operator](write-an-operator.md) adds one.",
  sources: "Paths are relative to the pipeline file.",
  sinks: "`path = \"-\"` is standard output. [`examples/masked-users.toml`](../examples/masked-users.toml) is a whole file.",
  tests: "[Test your routing](test-your-routing.md) tells their form.",
};

/** An example of a section, as a whole file would have it. */
const EXAMPLES: Readonly<Record<string, string>> = {
  pipeline: `[pipeline]
from = "prod"
to = "prod_2x"
publication = "pgdog"
on_ddl = "apply"

[[databases]]
name = "prod"
host = "10.0.0.1"
user = "migrator"
password = "\${PROD_PASSWORD}"

[[databases]]
name = "prod_2x"
host = "10.0.0.2"
port = "\${SHARD_PORT:-5432}"
user = "migrator"
password = "\${PROD_PASSWORD}"`,
  stages: `[[stages]]
type = "schema_sync"
phase = "pre"

[[stages]]
type = "copy"

[[stages]]
type = "command"
run = "./tell-everybody.sh"

[[stages]]
type = "replicate"
until = "stopped"`,
  sinks: `[[stages]]
type = "flow"
source = "users"
operators = ["adults"]
sink = "file"

[sources.users]
type = "table"
database = "prod"
table = "public.users"
columns = ["id", "name", "age"]

[operators.adults]
type = "filter"
where = "age >= 18"

[sinks.file]
type = "ndjson"
path = "users.ndjson"

[[databases]]
name = "prod"
host = "10.0.0.1"
user = "reader"
password = "\${PROD_PASSWORD}"`,
  sharded_tables: `# Every table that has a user_id, by PostgreSQL's hash of it.
[[sharded_tables]]
database = "prod_2x"
column = "user_id"
data_type = "bigint"

# This one by lists of values.
[[sharded_tables]]
database = "prod_2x"
schema = "public"
name = "orders"
column = "country"
data_type = "varchar"
mapping = [{ values = ["DE", "FR"], shard = 0 }, { shard = 1 }]`,
  omnisharded_tables: `[[omnisharded_tables]]
database = "prod_2x"
tables = ["countries", "currencies"]`,
};

/** A type of source or sink. */
export interface EndType {
  /** A line. */
  readonly summary: string;
  /** Is `database` needed, possible or none of its keys? */
  readonly database: string;
  readonly options: Schema;
}

/** By the section that they are named in, then by their `type`. */
export type EndTypes = Readonly<Partial<Record<string, ReadonlyMap<string, EndType>>>>;

/** docs/pipeline-file.md from the JSON Schema of pipeline files, and what it does not know of sources and sinks. */
export function pipelineFilePage(schema: Schema, ends: EndTypes): string {
  const sections = Object.entries(schema.properties ?? {}).filter(([, section]) => section.description !== NOT_USED);
  return `${GENERATED}
# Pipeline file

A TOML file says what is moved where. \`pg-reshard check FILE\` tells every mistake in one, with its place;
\`pg-reshard graph FILE\` draws what it does. With the line \`#:schema ./pipeline.schema.json\` at its head, and the file that
\`pg-reshard schema\` prints beside it, editors complete its keys.

Any value, also a number, may be \`"\${NAME}"\` or \`"\${NAME:-default}"\`: a variable of the environment. Servers and rules are
written as in PgDog's \`pgdog.toml\` and \`users.toml\`, which \`[pipeline]\` can name with \`config\` and \`users\` in place of
repeating them; keys of PgDog that mean nothing here are accepted and not used.

${sections.map(([name, section]) => sectionText(name, section, ends[name])).join("\n\n")}
`;
}

function sectionText(name: string, section: Schema, types: ReadonlyMap<string, EndType> | undefined): string {
  const element = section.items ?? section;
  const isOfNames = section.properties === undefined && typeof section.additionalProperties === "object";
  const title = section.type === "array" ? `[[${name}]]` : isOfNames ? `[${name}.NAME]` : `[${name}]`;
  return [
    `## ${title}`,
    [section.description, REMARKS[name]].filter((part) => part !== undefined).join(" "),
    ...(element.oneOf !== undefined ? element.oneOf.map(variantText) : [keysTable(isOfNames ? entryOf(section) : element)]),
    types === undefined ? "" : typesTable(types),
    ...(EXAMPLES[name] === undefined ? [] : [`\`\`\`toml\n${EXAMPLES[name]}\n\`\`\``]),
  ].filter((part) => part !== "").join("\n\n");
}

/** Of one type of several. */
function variantText(variant: Schema): string {
  const { type, ...properties } = variant.properties ?? {};
  const name = typeof type?.const === "string" ? type.const : "";
  return [`### ${name}`, STAGES[name] ?? "", keysTable({ ...variant, properties })].filter((part) => part !== "").join("\n\n");
}

/** What all entries of a table of names have: each type's own keys are on its own page. */
function entryOf({ additionalProperties }: Schema): Schema {
  const entry = additionalProperties as Schema;
  return entry.properties === undefined ? (entry.oneOf?.at(-1) ?? entry) : entry;
}

function typesTable(types: ReadonlyMap<string, EndType>): string {
  const rows = [...types].map(([type, { summary, database, options }]) => {
    const { properties = {}, required = [] } = options;
    const keys = Object.entries(properties).map(([key, value]) => `\`${key}\`: ${valueText(value)}${required.includes(key) ? ", needed" : value.default === undefined ? "" : `, else ${defaultText(value)}`}`);
    return `| \`${JSON.stringify(type)}\` | ${summary} | ${[...(database === "none" ? [] : [`\`database\`${database === "needed" ? ", needed" : ""}`]), ...keys].join("; ")} |`;
  });
  return `| \`type\` | | Its keys |\n|---|---|---|\n${rows.join("\n")}`;
}

/** A table of what may stand in a section. */
export function keysTable({ properties = {}, required = [] }: Schema): string {
  const rows = Object.entries(properties).filter(([, { description }]) => description !== NOT_USED)
    .map(([key, value]) => `| \`${key}\` | ${valueText(value)} | ${required.includes(key) ? "needed" : defaultText(value)} | ${value.description ?? ""} |`);
  return rows.length === 0 ? "" : `| Key | Value | Default | |\n|---|---|---|---|\n${rows.join("\n")}`;
}

function defaultText({ default: value }: Schema): string {
  return value === undefined || (Array.isArray(value) && value.length === 0) ? "" : `\`${JSON.stringify(value)}\``;
}

function valueText({ anyOf, type, items, enum: words, const: word }: Schema): string {
  // The second is a variable of the environment, which all may be.
  if (anyOf !== undefined) return valueText(anyOf[0]!);
  if (word !== undefined) return `\`${JSON.stringify(word)}\``;
  if (words !== undefined) return words.map((each) => `\`${JSON.stringify(each)}\``).join(", ");
  if (type === "array") return items?.properties === undefined ? `list of ${plural(items === undefined ? "value" : valueText(items))}` : `list of \`{ ${Object.keys(items.properties).join(", ")} }\``;
  if (type === "object") return "table";
  return type === undefined ? "any" : [type].flat().join(" or ");
}

function plural(word: string): string {
  return word.startsWith("`") || word.startsWith("list") ? word : `${word}s`;
}
