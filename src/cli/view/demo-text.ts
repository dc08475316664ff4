import type { DemoResult } from "../../demo/run-demo.js";
import type { Paint } from "./paint.js";
import { formatDuration } from "../../pipelines/quantities.js";
import { counted, formatCount } from "../../words.js";
import { verdictSentence, verdictTable } from "./verdict-table.js";

/** How the demo ended: its tables, a closing line, and where its servers are if they stay. */
export function demoText({ verdicts, receipts, sound, pauses, shards, milliseconds, kept }: DemoResult, columns: number, paint: Paint): string {
  const stored = receipts.shards.reduce((sum, count) => sum + count, 0);
  const agrees = receipts.source === receipts.told && stored === receipts.told;
  const told = `Applications were told of ${counted(receipts.told, "commit")}; stored are ${formatCount(receipts.source)} on the source, ${receipts.shards.map(formatCount).join(" + ")} = ${formatCount(stored)} on the shards: ${agrees ? paint.good("✓") : paint.bad("✗")}`;
  const closing = sound
    ? paint.good(`The shop moved to ${counted(shards, "shard")} and back while applications wrote; they waited ${pauses.map((pause) => `${Math.round(pause)} ms`).join(" and ")}. Nothing was lost.`)
    : paint.bad("The two sides are not the same, or not what the applications were told.");
  const lines = [`${verdictTable(verdicts, columns, paint)}${verdictSentence(verdicts)}`, told, `${closing} ${formatDuration(milliseconds)}.`];
  if (kept !== undefined) {
    const { source, shards: urls, environment, serveFile, stop } = kept;
    lines.push(
      "",
      "The servers are still up, and changes of the source can stream to the shards again:",
      `  source   psql ${source}`,
      ...urls.map((url, shard) => `  shard ${shard}  psql ${url}`),
      "",
      ...Object.entries(environment).map(([name, value]) => `  export ${name}=${value}`),
      `  npx pg-reshard serve -c ${serveFile} -u ${serveFile}`,
      "  psql -h 127.0.0.1 -p 6432 -U admin admin -c 'SHOW TASKS'",
      "",
      `To stop them: ${stop}`,
    );
  }
  return `${lines.join("\n")}\n`;
}
