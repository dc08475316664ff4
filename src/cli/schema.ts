import type { Command } from "commander";
import type { Execute } from "./execute.js";
import { pipelineJsonSchema } from "./pipeline-json-schema.js";

export function addSchema(program: Command, execute: Execute): void {
  program
    .command("schema")
    .summary("print a JSON Schema of pipeline files")
    .description("Prints a JSON Schema of pipeline files, for completion in editors. The first line of a file names it: #:schema ./pipeline.schema.json")
    .addHelpText("after", "\nExample:\n  pg-reshard schema > pipeline.schema.json")
    .action(async () => {
      await execute("schema", () => {
        const schema = pipelineJsonSchema();
        return Promise.resolve({ ok: true, text: `${JSON.stringify(schema, undefined, 2)}\n`, fields: { schema } });
      });
    });
}
