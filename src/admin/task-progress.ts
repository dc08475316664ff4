import { CopyProgress, type TableCopy } from "../pipelines/copy-progress.js";
import type { PipelineEvent } from "../pipelines/events.js";
import { SchemaProgress } from "../pipelines/schema-progress.js";
import type { TableVerdict } from "../pipelines/table-verdict.js";
import type { Lsn } from "../postgres/lsn.js";

/** A part of a task, as SHOW TASKS lists it below the task. Times are milliseconds since 1970. */
export interface Subtask {
  /** Name of its stage: `schema_sync:pre`, `copy`, `replicate` … */
  readonly stage: string;
  readonly state: "running" | "finished" | "cancelled" | "failed";
  readonly startedAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | undefined;
}

/** The stream of one source shard. */
export interface StreamState {
  readonly sourceShard: number;
  readonly applied: Lsn;
  readonly source: Lsn;
  /** Bytes. */
  readonly lag: number;
  /** Since the stream was opened last. */
  readonly changes: number;
  /** When changes came through last. */
  readonly lastChangesAt: number | undefined;
}

export interface VerdictAt {
  readonly verdict: TableVerdict;
  readonly at: number;
}

/** What of a task's progress is kept over a restart. */
export interface StoredProgress {
  readonly subtasks: readonly Subtask[];
  readonly copies: readonly TableCopy[];
  readonly verdicts: readonly VerdictAt[];
}

/** A cutover is no stage of its own where a task does it. */
const CUTOVER = "cutover";

/** Everything that the tables show of one task, out of what its runs report. */
export class TaskProgress {
  readonly copies: CopyProgress;
  readonly schema = new SchemaProgress();
  readonly #streams = new Map<number, StreamState>();
  #isStreaming = false;
  readonly #verdicts = new Map<string, VerdictAt>();
  readonly #subtasks = new Map<string, Subtask>();
  #stage: string | undefined;
  /** The stage's subtask as it was when the stage began. */
  #before: Subtask | undefined;
  #comparing: { readonly tables: number; readonly done: number } | undefined;
  #cutoverStep: string | undefined;
  #message: string | undefined;

  /** @param buildsKeys a table's copy is done when its keys are built */
  constructor(buildsKeys: boolean) {
    this.copies = new CopyProgress(buildsKeys);
  }

  apply(event: PipelineEvent, now: number): void {
    this.copies.apply(event, now);
    this.schema.apply(event, now);
    switch (event.type) {
      case "stage-started":
        this.#message = undefined;
        this.#begin(event.stage, now);
        // What it was before it was interrupted is no news.
        this.#isStreaming = false;
        break;
      case "stage-finished":
        // What an earlier run did is as it was then.
        if (event.skipped === true && this.#before?.state === "finished") this.#put(this.#before);
        else this.#update("finished", now);
        this.#stage = undefined;
        break;
      case "retry":
        this.#message = `${event.what} failed: ${event.reason}; it is tried again (${event.attempt}).`;
        break;
      case "note":
        this.#message = event.message;
        break;
      case "stream-progress": {
        const { sourceShard, applied, source, lag, changes } = event;
        const known = this.#streams.get(sourceShard);
        this.#isStreaming = true;
        const moved = changes > (known?.changes ?? 0) || (changes > 0 && changes < (known?.changes ?? 0));
        this.#streams.set(sourceShard, { sourceShard, applied, source, lag, changes, lastChangesAt: moved ? now : known?.lastChangesAt });
        break;
      }
      case "cutover-step":
        if (event.state === "began") {
          if (this.#stage !== CUTOVER) this.#begin(CUTOVER, now, true);
          this.#cutoverStep = event.step;
        }
        break;
      case "cutover-ended":
        if (this.#stage === CUTOVER) {
          this.#update(event.outcome === "done" ? "finished" : "failed", now);
          this.#stage = undefined;
        }
        this.#cutoverStep = undefined;
        break;
      case "verify-started":
        this.#verdicts.clear();
        this.#comparing = { tables: event.tables, done: 0 };
        break;
      case "table-verified":
        this.#verdicts.set(event.verdict.table, { verdict: event.verdict, at: now });
        this.#comparing = { tables: this.#comparing?.tables ?? this.#verdicts.size, done: this.#verdicts.size };
        break;
    }
    this.#update("running", now);
  }

  /** What is under way ends with the task; also the stage that a former process was in, and to which this one did not come. */
  runEnded(state: "finished" | "cancelled" | "failed", now: number): void {
    for (const subtask of this.#subtasks.values()) if (subtask.state === "running") this.#put({ ...subtask, state, updatedAt: now, endedAt: now });
    this.#stage = undefined;
  }

  /** In the order in which they began first. */
  get subtasks(): readonly Subtask[] {
    return [...this.#subtasks.values()];
  }

  /** The stage under way. */
  get stage(): string | undefined {
    return this.#stage;
  }

  /** Changes stream now: the lag is what it was a moment ago. */
  get isStreaming(): boolean {
    return this.#isStreaming;
  }

  /** As they were heard of last. */
  get streams(): readonly StreamState[] {
    return [...this.#streams.values()].sort((a, b) => a.sourceShard - b.sourceShard);
  }

  /** Of the last comparison. */
  get verdicts(): readonly VerdictAt[] {
    return [...this.#verdicts.values()];
  }

  get comparing(): { readonly tables: number; readonly done: number } | undefined {
    return this.#comparing;
  }

  /** Of a cutover under way. */
  get cutoverStep(): string | undefined {
    return this.#cutoverStep;
  }

  /** The last thing that an operator should read. */
  get message(): string | undefined {
    return this.#message;
  }

  stored(): StoredProgress {
    return { subtasks: this.subtasks, copies: this.copies.copies().filter(({ state }) => state === "done"), verdicts: this.verdicts };
  }

  restore({ subtasks, copies, verdicts }: StoredProgress): void {
    for (const subtask of subtasks) this.#put(subtask);
    this.copies.restore(copies);
    for (const verdict of verdicts) this.#verdicts.set(verdict.verdict.table, verdict);
  }

  /** A stage that goes on after an interruption is the same subtask. */
  #begin(stage: string, now: number, anew = false): void {
    this.#before = this.#subtasks.get(stage);
    this.#stage = stage;
    this.#put({ stage, state: "running", startedAt: anew ? now : (this.#before?.startedAt ?? now), updatedAt: now, endedAt: undefined });
  }

  #update(state: Subtask["state"], now: number): void {
    const subtask = this.#stage === undefined ? undefined : this.#subtasks.get(this.#stage);
    if (subtask !== undefined) this.#put({ ...subtask, state, updatedAt: now, endedAt: state === "running" ? undefined : now });
  }

  #put(subtask: Subtask): void {
    this.#subtasks.set(subtask.stage, subtask);
  }
}
