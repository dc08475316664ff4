import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { stockOperators } from "../../src/operators/stock/stock-operators.js";
import { FLOW_SINKS, FLOW_SOURCES } from "../../src/pipelines/flow/flow-ends.js";
import { errorsPage } from "./errors-page.js";
import { operatorsPage } from "./operators-page.js";
import { type EndType, pipelineFilePage, type Schema } from "./pipeline-file-page.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The pages of docs/ that are made from the source, by file name. */
export function generatedPages(): ReadonlyMap<string, string> {
  const operatorOptions = new Map(Object.values(stockOperators).map(({ name, options }) => [name, schemaOf(options)]));
  return new Map([
    ["errors.md", errorsPage(`${ROOT}src`)],
    ["operators.md", operatorsPage(`${ROOT}src/operators/stock`, operatorOptions)],
    // What `pg-reshard schema` prints, which a test keeps current.
    ["pipeline-file.md", pipelineFilePage(JSON.parse(readFileSync(`${ROOT}pipeline.schema.json`, "utf8")) as Schema, { sources: endTypes(FLOW_SOURCES), sinks: endTypes(FLOW_SINKS) })],
  ]);
}

function endTypes(types: Readonly<Record<string, Omit<EndType, "options"> & { readonly options: unknown }>>): ReadonlyMap<string, EndType> {
  return new Map(Object.entries(types).map(([type, { summary, database, options }]) => [type, { summary, database, options: schemaOf(options) }]));
}

/** All stock options are zod's. */
function schemaOf(options: unknown): Schema {
  return z.toJSONSchema(options as z.ZodType, { io: "input", unrepresentable: "any" }) as Schema;
}
