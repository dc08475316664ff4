import type { PipelineEvent } from "../../pipelines/events.js";
import type { CutoverStep } from "../../progress/cutover-journal.js";
import { SchemaProgress } from "../../pipelines/schema-progress.js";
import type { CliEvent } from "./cli-event.js";
import { CopyLines, TITLE_CELLS } from "./copy-lines.js";
import { displayWidth, left, printable, right, truncated } from "./fit.js";
import type { Paint } from "./paint.js";
import { formatBytes, formatDuration } from "../../pipelines/quantities.js";
import { describeStatement, schemaLines } from "./schema-lines.js";
import { stageTitle } from "./stage-title.js";
import { StreamProgress } from "./stream-progress.js";
import { counted, formatCount } from "../../words.js";

/**
 * What a command shows of its events. `apply` answers with the lines that stay; `block` is what is under way, to be
 * drawn over and over again.
 */
export class Progress {
  readonly #paint: Paint;
  #copy = new CopyLines(false);
  #stream = new StreamProgress();
  #buildsKeys = false;
  #stage: string | undefined;
  #statements = new SchemaProgress();
  /** Of the phase that goes on: statements left by shard, and how many a shard has at most. */
  #schema: { phase: string; left: number[]; total: number } | undefined;
  #verify: { tables: number; done: number } | undefined;
  #cutoverStep: CutoverStep | undefined;
  #writers: Extract<CliEvent, { type: "demo-writers" }> | undefined;

  constructor(paint: Paint) {
    this.#paint = paint;
  }

  get copy(): CopyLines {
    return this.#copy;
  }

  get stream(): StreamProgress {
    return this.#stream;
  }

  apply(event: CliEvent, now: number): string[] {
    const { dim, good } = this.#paint;
    switch (event.type) {
      case "started":
        this.#buildsKeys = event.stages.some((stage) => /^schema_sync:(pre|post)$/.test(stage));
        return [printable(`${event.from} → ${event.to}: ${counted(event.shards, "shard")}, publication ${event.publication}`)];
      case "note":
        return [dim(`  ${printable(event.message)}`)];
      case "stage-started":
        this.#stage = event.stage;
        this.#schema = undefined;
        this.#statements = new SchemaProgress();
        this.#verify = undefined;
        this.#stream = new StreamProgress();
        if (isCopy(event.stage)) this.#copy = new CopyLines(this.#buildsKeys && event.stage === "copy");
        return [];
      case "stage-finished": {
        const line = `${good("✓")} ${left(stageTitle(event.stage), TITLE_CELLS - 2)}${this.#summary(event)}`;
        this.#stage = undefined;
        this.#schema = undefined;
        return [line];
      }
      case "retry":
        return [printable(`  ${event.what} failed: ${event.reason}. Trying again in ${formatDuration(event.delay)} (${event.attempt}).`)];
      case "schema-planned":
        this.#statements.apply(event, now);
        this.#countStatements(event.phase, event.shard, 0, event.statements.length);
        return [];
      case "schema-statement":
        this.#statements.apply(event, now);
        this.#countStatements(event.phase, event.shard, event.done, event.total);
        return [];
      case "index-progress":
        this.#statements.apply(event, now);
        return [];
      case "table-copied":
        this.#copy.apply(event, now);
        return [copiedLine(event)];
      case "copy-started":
      case "table-progress":
      case "table-key-built":
        this.#copy.apply(event, now);
        return [];
      case "stream-progress":
        this.#stream.apply(event, now);
        return [];
      case "caught-up":
        return [`  in sync: all that was committed until now is ${this.#stage !== undefined && isFlow(this.#stage) ? "in the sink" : "on the shards"}`];
      case "cutover-step":
        this.#cutoverStep = event.state === "began" ? event.step : undefined;
        if (event.state === "began") return [];
        if (event.state === "failed") return [`  ${event.step} failed: ${printable(event.message ?? "")}`];
        return [`  ${left(STEP_TITLES[event.step], NAME_CELLS)}${formatDuration(event.milliseconds ?? 0)}`];
      case "cutover-ended": {
        const pause = event.paused === undefined ? "" : `, applications waited ${Math.round(event.paused)} ms`;
        if (event.outcome === "done") return [`${good("✓")} ${printable(event.to)} is in charge${pause}`];
        return [`  the cutover was given up: ${printable(event.from)} stays in charge${pause}`];
      }
      case "operator-figures":
        return [printable(`  ${event.operator}: ${Object.entries(event.figures).map(([figure, amount]) => `${formatCount(amount)} ${figure}`).join(", ")}`)];
      case "verify-started":
        this.#verify = { tables: event.tables, done: 0 };
        return [];
      case "table-verified":
        if (this.#verify !== undefined) this.#verify.done++;
        return [];
      case "demo-servers-started":
        return [`${good("✓")} ${left("servers", TITLE_CELLS - 2)}a source and ${counted(event.shards, "shard")}, ${formatDuration(event.milliseconds)}`];
      case "demo-shop-loaded":
        return [`${good("✓")} ${left("shop", TITLE_CELLS - 2)}${counted(event.tables, "table")}, ${counted(event.rows, "row")}, ${formatDuration(event.milliseconds)}`];
      case "demo-gateway-started":
        return [`${good("✓")} ${left("gateway", TITLE_CELLS - 2)}${event.host}:${event.port}, ${formatDuration(event.milliseconds)}`];
      case "demo-typed":
        return [`admin=> ${printable(event.sql)};`];
      case "demo-went-on":
        return [`  applications went on: ${counted(event.transactions, "transaction")} since; the slowest around the switch took ${formatDuration(event.longest)}`];
      case "demo-writers":
        this.#writers = event;
        return [];
      case "demo-writers-stopped":
        this.#writers = undefined;
        return [`${good("✓")} ${left("writers", TITLE_CELLS - 2)}${counted(event.committed, "transaction")} committed, ${formatCount(event.rolledBack)} rolled back, ${formatDuration(event.milliseconds)}`];
    }
  }

  /** What is under way, each line at most `columns` cells. */
  block(columns: number, now: number): string[] {
    const stage = this.describe(now);
    const tables = this.#stage !== undefined && isCopy(this.#stage) ? this.#copy.tableLines(columns, now) : [];
    return [...(stage === undefined ? [] : [stage]), ...tables, ...schemaLines(this.#statements, columns, now), ...this.#writersLine()].map((line) => truncated(line, columns));
  }

  /** For a log: what is under way in one line, without the tables of a copy. */
  describe(now: number): string | undefined {
    const stage = this.#stage;
    if (stage === undefined) return this.#schema === undefined ? undefined : this.#schemaLine(this.#schema);
    const title = left(stageTitle(stage), TITLE_CELLS);
    if (stage === "copy") return this.#copy.line(now);
    if (isFlow(stage)) return this.#stream.hasBegun ? `${title}${this.#stream.words(now).join("  ")}` : this.#copy.line(now, stageTitle(stage));
    if (stage === "replicate") return `${title}${this.#stream.words(now).join("  ")}`;
    if (stage === "verify") {
      if (this.#verify !== undefined) return `${title}${this.#verify.done} of ${counted(this.#verify.tables, "table")} compared`;
      return `${title}bringing the shards to one moment: ${this.#stream.words(now).join("  ")}`;
    }
    if (stage === "cutover") return `${title}${this.#cutoverStep ?? "ready"}`;
    return this.#schema === undefined ? `${title}reading the source's schema` : this.#schemaLine(this.#schema);
  }

  /** For a log: the statement that an event is about, in words. */
  describeStatement({ phase, shard, index }: { readonly phase: string; readonly shard: number; readonly index: number }, now: number): string | undefined {
    const row = this.#statements.row(phase, shard, index);
    return row === undefined ? undefined : describeStatement(row, now);
  }

  #countStatements(phase: string, shard: number, done: number, total: number): void {
    if (this.#schema?.phase !== phase) this.#schema = { phase, left: [], total };
    this.#schema.left[shard] = total - done;
    this.#schema.total = Math.max(this.#schema.total, total);
  }

  /** Of the shard that is furthest behind. */
  #schemaLine({ phase, left: remaining, total }: { phase: string; left: readonly number[]; total: number }): string {
    // Array.from: a shard that has not begun leaves a hole.
    const most = Math.max(...Array.from(remaining, (count) => (count as number | undefined) ?? total));
    return `${left(stageTitle(`schema_sync:${phase}`), TITLE_CELLS)}${total - most} of ${counted(total, "statement")}`;
  }

  #writersLine(): string[] {
    if (this.#writers === undefined) return [];
    const { writers, transactions } = this.#writers;
    return [`${left("writers", TITLE_CELLS)}${writers} at work   ${counted(transactions, "transaction")}`];
  }

  #summary({ stage, milliseconds, skipped }: Extract<PipelineEvent, { type: "stage-finished" }>): string {
    if (skipped === true) return "done before";
    const what = stage === "copy" || (isFlow(stage) && !this.#stream.hasBegun) ? this.#copy.summary() : isFlow(stage) ? this.#stream.summary() : stage === "replicate" ? this.#stream.summary() : this.#schema !== undefined ? counted(this.#schema.total, "statement") : this.#verify !== undefined ? counted(this.#verify.tables, "table") : "";
    return `${what}${what === "" ? "" : ", "}${formatDuration(milliseconds)}`;
  }
}

/** Of rows or of changes. */
function isFlow(stage: string): boolean {
  return stage.startsWith("flow:");
}

/** A stage that may copy. */
function isCopy(stage: string): boolean {
  return stage === "copy" || isFlow(stage);
}

const NAME_CELLS = 32;

const STEP_TITLES: Readonly<Record<CutoverStep, string>> = {
  ready: "ready", pause: "paused, no transaction open", fence: "fence", drain: "shards have everything", finish: "sequences, way back", switch: "switched", resume: "resumed",
};

function copiedLine({ table, rows, bytes, milliseconds, resumed }: Extract<PipelineEvent, { type: "table-copied" }>): string {
  const name = printable(table);
  const start = `  ${displayWidth(name) > NAME_CELLS ? truncated(name, NAME_CELLS) : left(name, NAME_CELLS)}${right(counted(rows, "row"), 18)}`;
  return resumed && bytes === 0 ? `${start}   copied before` : `${start}${right(formatBytes(bytes), 11)}${right(formatDuration(milliseconds), 14)}`;
}
