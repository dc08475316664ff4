import { formatBytes, formatDuration } from "../../pipelines/quantities.js";
import type { PipelinePlan, StagePlan, TablePlan } from "../../pipelines/plan-pipeline.js";
import { counted, formatCount, listed } from "../../words.js";
import { stageTitle } from "./stage-title.js";
import { type TextColumn, textTable } from "./text-table.js";

export interface PlanTextOptions {
  readonly width: number;
  /** Of the destination. */
  readonly shards: number;
  /** What copying is taken to bring, for the estimates. */
  readonly bytesPerSecond: number;
}

/**
 * A plan for people.
 *
 * ```
 * 1  schema pre   59 statements on each of 2 shards: 15 tables, 12 sequences …
 * 2  copy         16 tables, 1,000,090 rows, 131 MB: about 2.9 s at 45 MB/s
 * ```
 */
export function planText(plan: PipelinePlan, options: PlanTextOptions): string {
  const titles = plan.stages.map(({ stage }) => stageTitle(stage));
  const wide = Math.max(...titles.map((title) => title.length));
  return plan.stages.flatMap((stage, index) => {
    const head = `${index + 1}  ${titles[index]!.padEnd(wide)}  `;
    return [`${head}${stage.done ? "done already" : summary(stage, options)}`, ...details(stage, options).map((line) => `   ${line}`)];
  }).map((line) => `${line}\n`).join("");
}

function summary(stage: StagePlan, { shards, bytesPerSecond }: PlanTextOptions): string {
  const { settings, statements, tables } = stage;
  switch (settings.type) {
    case "schema_sync":
      if (statements === undefined) return "depends on the shards by then: schema-sync --dry-run tells it";
      return `${counted(sum(statements, ({ count }) => count), "statement")} on each of ${counted(shards, "shard")}`;
    case "copy":
      return `${sizes(tables!)}: about ${formatDuration((1000 * sum(tables!, ({ bytes }) => bytes)) / bytesPerSecond)} at ${formatBytes(bytesPerSecond)}/s`;
    case "replicate":
      return settings.until === "caught-up" ? "until all shards have what was committed until then" : "until it is stopped";
    case "verify":
      return `${sizes(tables!)}, read on both sides`;
    case "cutover":
      return "moves the applications; they wait from its second step to its last";
    case "flow":
      return `${settings.source.name} (${settings.source.type}) into ${settings.sink.name} (${settings.sink.type})`;
    case "command":
      return settings.run;
  }
}

function details({ done, settings, statements, tables, slots }: StagePlan, { width }: PlanTextOptions): string[] {
  if (done) return [];
  const lines: string[] = [];
  if (statements !== undefined && statements.length > 0) lines.push(listed(statements.map(({ kind, count }) => `${formatCount(count)}× ${kind}`), ", ", 6));
  if (settings.type === "copy") {
    for (const { server, slot, exists } of slots ?? []) lines.push(`slot ${slot} ${exists ? "is on" : "is made on"} ${server}`);
    lines.push(...tableLines(tables ?? [], width - 3));
  }
  return lines;
}

function tableLines(tables: readonly TablePlan[], width: number): string[] {
  const withSource = tables.some(({ sourceShard }) => sourceShard > 0);
  const withOperators = tables.some(({ operators }) => operators.length > 0);
  const columns: TextColumn[] = [
    { heading: "table", align: "left", shrinks: true },
    ...(withSource ? [{ heading: "from", align: "right" } as const] : []),
    { heading: "to", align: "left", shrinks: true },
    { heading: "rows", align: "right" },
    { heading: "bytes", align: "right" },
    ...(withOperators ? [{ heading: "operators", align: "left", shrinks: true } as const] : []),
  ];
  return textTable(columns, tables.map(({ table, sourceShard, to, rows, bytes, operators }) => [
    table, ...(withSource ? [`shard ${sourceShard}`] : []), to, formatCount(rows), formatBytes(bytes), ...(withOperators ? [operators.join(", ")] : []),
  ]), width);
}

function sizes(tables: readonly TablePlan[]): string {
  return `${counted(tables.length, "table")}, ${counted(sum(tables, ({ rows }) => rows), "row")}, ${formatBytes(sum(tables, ({ bytes }) => bytes))}`;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
