import { expect, test } from "vitest";
import { runCommandStage } from "../../src/pipelines/command-stage.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";

async function notesOf(run: string, { timeout = 60_000, signal = new AbortController().signal } = {}): Promise<readonly unknown[]> {
  const events: PipelineEvent[] = [];
  await runCommandStage({ type: "command", run, timeout }, { sides: { from: "prod", to: "prod_2x" }, signal, report: (event) => { events.push(event); } });
  return events;
}

test("a command is told the sides, and what it prints is a note", async () => {
  expect(await notesOf('echo "from $PG_RESHARD_FROM to $PG_RESHARD_TO"')).toEqual([{ type: "note", message: "from prod to prod_2x" }]);
  expect(await notesOf("true")).toEqual([]);
});

test("a command that fails, or takes too long, stops the pipeline with its own words", async () => {
  await expect(notesOf("echo no such tenant >&2; exit 3")).rejects.toMatchObject({ code: "COMMAND_FAILED", message: expect.stringContaining("ended with exit code 3: no such tenant") as unknown });
  await expect(notesOf("sleep 100", { timeout: 1 })).rejects.toMatchObject({ code: "COMMAND_FAILED", message: expect.stringContaining("took longer than 1 ms") as unknown });
  await expect(notesOf("true", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "INTERRUPTED" });
});
