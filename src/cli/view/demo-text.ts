import type { DemoResult } from "../../demo/run-demo.js";
import type { Paint } from "./paint.js";
import { formatDuration } from "./quantities.js";
import { verdictSentence, verdictTable } from "./verdict-table.js";
import { counted } from "../../words.js";

/** How the demo ended: its table, a closing line, and where its servers are if they stay. */
export function demoText({ verdicts, sound, writers, shards, milliseconds, kept }: DemoResult, columns: number, paint: Paint): string {
  const closing = sound
    ? paint.good(`The shop moved to ${counted(shards, "shard")} under ${counted(writers.committed, "transaction")}; nothing was lost.`)
    : paint.bad("The shards are not what the source is.");
  const lines = [`${verdictTable(verdicts, columns, paint)}${verdictSentence(verdicts)}`, `${closing} ${formatDuration(milliseconds)}.`];
  if (kept !== undefined) {
    const { source, shards: urls, environment, pipelineFile, stop } = kept;
    lines.push(
      "",
      "The servers are still up, and so is the slot: write to the source, run it again, and it streams and verifies.",
      `  source   psql ${source}`,
      ...urls.map((url, shard) => `  shard ${shard}  psql ${url}`),
      "",
      ...Object.entries(environment).map(([name, value]) => `  export ${name}=${value}`),
      `  npx pg-reshard run ${pipelineFile}`,
      `  npx pg-reshard status ${pipelineFile}`,
      "",
      `To stop them: ${stop}`,
    );
  }
  return `${lines.join("\n")}\n`;
}
