import { z } from "zod";
import * as grammar from "../config/grammar.js";
import { KEY_DESCRIPTIONS } from "../config/key-descriptions.js";
import { PROXY_SECTIONS } from "../config/proxy-keys.js";
import { EXPECTED_CHANGE, EXPECTED_ROW, TEST_CHANGE, TESTS } from "../config/test-grammar.js";
import { stockOperators } from "../operators/stock/stock-operators.js";
import { FLOW_SINKS, FLOW_SOURCES } from "../pipelines/flow/flow-ends.js";
import { type JsonSchema, withEnvironment, withEnvironmentAll } from "./schema-with-environment.js";

/**
 * A JSON Schema (draft 7) of pipeline files, made of the grammars that check them: for completion in editors. What
 * contradicts something elsewhere in the file is known to `pg-reshard check` alone.
 */
export function pipelineJsonSchema(): JsonSchema {
  const arrays = {
    databases: grammar.DATABASES, users: grammar.USERS, sharded_tables: grammar.SHARDED_TABLES, sharded_mappings: grammar.SHARDED_MAPPINGS,
    sharded_schemas: grammar.SHARDED_SCHEMAS, omnisharded_tables: grammar.OMNISHARDED_TABLES, rehearsals: grammar.REHEARSALS,
  };
  const tables = { general: grammar.GENERAL, admin: grammar.ADMIN, replication: grammar.REPLICATION, cutover: grammar.CUTOVER };
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "A pipeline of pg-reshard",
    type: "object",
    additionalProperties: false,
    properties: {
      pipeline: { description: "What is moved where. Not needed where all stages are flows and commands.", ...tableSchema("pipeline", grammar.PIPELINE, { optional: ["from", "to", "publication"] }) },
      stages: { description: "What is done, in order. Without it: schema_sync pre, copy, schema_sync post, replicate, verify.", type: "array", minItems: 1, items: { type: "object", required: ["type"], oneOf: Object.entries(grammar.STAGES).map(([type, stage]) => stageSchema(type, stage)) } },
      operators: { description: "Operators that stages name.", type: "object", additionalProperties: operatorSchema() },
      sources: { description: "Sources of flow stages.", type: "object", additionalProperties: endSchema("sources", FLOW_SOURCES) },
      sinks: { description: "Sinks of flow stages.", type: "object", additionalProperties: endSchema("sinks", FLOW_SINKS) },
      tests: { description: "What `pg-reshard test` tries, without a server.", type: "array", items: tableSchema("tests", TESTS) },
      ...Object.fromEntries(Object.entries(arrays).map(([name, each]) => [name, { type: "array", items: tableSchema(name, each) }])),
      ...Object.fromEntries(Object.entries(tables).map(([name, each]) => [name, tableSchema(name, each)])),
      ...Object.fromEntries(PROXY_SECTIONS.map((name) => [name, NOT_USED])),
    },
  };
}

const NOT_USED: JsonSchema = { description: "Of PgDog as a proxy; not used." };

/** Keys whose values are tables with a grammar of their own, or lists of them; each is one of several where there are several. */
const INNER: Readonly<Record<string, Readonly<Record<string, grammar.Grammar<unknown>>>>> = {
  "sharded_tables.mapping": { mapping: grammar.MAPPING },
  "tests.changes": { "tests.changes": TEST_CHANGE },
  "tests.expect": { "tests.expect": EXPECTED_CHANGE, "tests.expected_row": EXPECTED_ROW },
};

interface Exceptions {
  /** Keys that the grammar requires, and that may be missing all the same. */
  readonly optional?: readonly string[];
}

function tableSchema(section: string, { keys, ignored, schema }: grammar.Grammar<unknown>, { optional = [] }: Exceptions = {}): JsonSchema {
  const shape = shapeOf(schema);
  const properties = keys.map((key): [string, JsonSchema] => [key, { ...descriptionOf(section, key), ...keySchema(section, key, shape[key]!) }]);
  const required = keys.filter((key) => !optional.includes(key) && !z.safeParse(shape[key]!, undefined).success);
  return {
    type: "object",
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: schema instanceof z.ZodObject && schema.def.catchall instanceof z.ZodUnknown,
    properties: Object.fromEntries([...properties, ...ignored.map((key) => [key, NOT_USED])]),
  };
}

function stageSchema(type: string, stage: grammar.Grammar<unknown>): JsonSchema {
  const { properties, ...schema } = tableSchema(`stages.${type}`, stage);
  return { ...schema, properties: { ...(properties as JsonSchema), type: { ...descriptionOf("stages", "type"), const: type } } };
}

/** Stock operators each with its options; a module's are known to the module. */
function operatorSchema(): JsonSchema {
  const { properties } = tableSchema("operators", grammar.OPERATOR("operators"));
  const { type, ...common } = properties as Record<string, JsonSchema>;
  const stock = Object.entries(stockOperators).map(([name, { options }]): JsonSchema => {
    const own = options instanceof z.ZodType ? plainSchema(options) : {};
    return {
      ...own,
      type: "object",
      required: ["type", ...((own["required"] as readonly string[] | undefined) ?? [])],
      properties: { type: { ...type, const: name }, ...common, ...withEnvironmentAll(own["properties"] as Record<string, JsonSchema> | undefined) },
    };
  });
  return { oneOf: [...stock, { type: "object", required: ["type"], properties: { type: { description: type!["description"], type: "string", pattern: "^\\.{0,2}/|\\.[cm]?[jt]s$" }, ...common } }] };
}

/** Each type of source or sink with its options. */
function endSchema(section: string, types: Readonly<Record<string, { readonly options: z.ZodType; readonly database: "needed" | "possible" | "none" }>>): JsonSchema {
  const common = tableSchema(section, grammar.FLOW_END(section));
  const { type, database } = common["properties"] as Readonly<Record<string, JsonSchema>>;
  return {
    ...common,
    oneOf: Object.entries(types).map(([name, end]) => {
      const own = plainSchema(end.options);
      return {
        ...own,
        required: ["type", ...(end.database === "needed" ? ["database"] : []), ...((own["required"] as readonly string[] | undefined) ?? [])],
        properties: { type: { ...type, const: name }, ...(end.database === "none" ? {} : { database }), ...withEnvironmentAll(own["properties"] as Record<string, JsonSchema> | undefined) },
      };
    }),
  };
}

function keySchema(section: string, key: string, schema: z.core.$ZodType): JsonSchema {
  const inner = Object.entries(INNER[`${section}.${key}`] ?? {}).map(([name, each]) => tableSchema(name, each));
  const alone = inner.length > 0 ? { type: "array", items: inner.length === 1 ? inner[0] : { anyOf: inner } } : plainSchema(schema);
  const byDefault = z.safeParse(schema, undefined);
  return { ...withEnvironment(alone), ...(byDefault.success && byDefault.data !== undefined ? { default: byDefault.data } : {}) };
}

/** Values of mappings are texts or integers, whatever zod can say of a check that is a function. */
function plainSchema(schema: z.core.$ZodType): JsonSchema {
  const json: JsonSchema = z.toJSONSchema(schema, {
    io: "input", unrepresentable: "any", target: "draft-7",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type === "custom") jsonSchema.type = ["string", "integer"] as never;
    },
  });
  return Object.fromEntries(Object.entries(json).filter(([key]) => key !== "$schema"));
}

function shapeOf(schema: z.ZodType): Readonly<Record<string, z.core.$ZodType>> {
  return schema instanceof z.ZodObject ? schema.shape : {};
}

function descriptionOf(section: string, key: string): JsonSchema {
  const description = KEY_DESCRIPTIONS[section]?.[key];
  return description === undefined ? {} : { description };
}
