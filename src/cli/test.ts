import type { Command } from "commander";
import { readPipelineFile } from "../config/load.js";
import { pipelineFileOf, readTests } from "../config/tests.js";
import type { Database, FlowPipeline, OperatorEntry, Pipeline, PipelineTest } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { runPipelineTest, type TestResult } from "../pipeline-tests/run-pipeline-test.js";
import { loadOperators } from "../pipelines/load-operators.js";
import { counted } from "../words.js";
import type { Execute } from "./execute.js";
import { failureFields } from "./failure.js";
import { paintWith } from "./view/paint.js";
import { testText } from "./view/test-text.js";

export function addTest(program: Command, execute: Execute): void {
  program
    .command("test")
    .summary("run the tests of a pipeline file")
    .description("Runs the [[tests]] of a pipeline file, and those of the file beside it (shop.test.toml beside shop.toml): rows or changes pass the pipeline's operators and sharding rules, and what comes out is compared with what is expected. No server is asked. A test that fails is exit code 1, a mistake in a file 78.")
    .argument("<file>", "a pipeline file, or the file of tests beside it")
    .addHelpText("after", `
In the file:
  [[tests]]
  name = "users go by their id, and e-mails are masked"
  table = "users"
  columns = { id = "bigint primary key", email = "text" }
  rows = [{ id = 1, email = "a@b.c" }]
  expect = [{ shard = 0, id = 1, email = "x@x.x" }]     # or expect_sql, expect_error

Example:
  pg-reshard test reshard.toml`)
    .action(async (file: string) => {
      await execute("test", async ({ terminal }) => {
        const path = pipelineFileOf(file);
        const pipeline = readPipelineFile(path, terminal.environment);
        const tests = readTests(path, terminal.environment);
        if (tests.length === 0) throw new ReshardError("NO_TESTS", `${path} has no [[tests]].`, { place: { file: path }, remedy: "Write one: pg-reshard test --help shows how." });
        const results: TestResult[] = [];
        const { operators, target } = underTest(pipeline);
        for (const test of tests) results.push(await runPipelineTest(test, await loadOperators(operators), target));
        const failed = results.filter(({ ok }) => !ok).length;
        const text = results.map((result) => testText(result, paintWith(terminal.colors.out))).join("");
        const verdict = failed === 0 ? `${counted(tests.length, "test")} passed.` : `${failed} of ${counted(tests.length, "test")} failed.`;
        return { ok: failed === 0, text: `${text}\n${verdict}\n`, fields: { tests: results.map(fieldsOf) } };
      });
    });
}

/** What rows pass and where they go: in a file of flows alone, those of the first. */
function underTest(pipeline: Pipeline | FlowPipeline): { readonly operators: readonly OperatorEntry[]; readonly target: Database | undefined } {
  if (pipeline.from !== undefined) return { operators: pipeline.operators, target: pipeline.to };
  const flow = pipeline.stages.find((stage) => stage.type === "flow");
  return { operators: flow?.operators ?? [], target: flow?.sink.database };
}

function fieldsOf({ test, ok, lines, error }: TestResult): Readonly<Record<string, unknown>> {
  return { name: test.name, ok, place: test.place, expected: expectedOf(test), ...(ok ? {} : { difference: lines }), ...(error === undefined ? {} : { error: failureFields(error) }) };
}

function expectedOf({ expected }: PipelineTest): string {
  if (expected.kind === "sql") return counted(expected.statements.length, "statement");
  return expected.kind === "error" ? expected.code : counted(expected.kind === "rows" ? expected.rows.length : expected.changes.length, expected.kind === "rows" ? "row" : "change");
}
