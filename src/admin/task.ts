import type { Pipeline } from "../config/types.js";
import { makesSchema } from "../pipelines/makes-schema.js";
import { reasonOf } from "../postgres/server-errors.js";
import { ReshardError } from "../errors.js";
import type { TaskRow } from "../progress/task-journal.js";
import { displayAddress } from "../postgres/connection.js";
import { TaskProgress, type StoredProgress } from "./task-progress.js";
import type { TaskSpec } from "./task-spec.js";
import { taskStages } from "./task-stages.js";
import { type StoredWays, storedWays, type TaskWays } from "./task-ways.js";

export type TaskState = "started" | "running" | "finished" | "cancelling" | "cancelled" | "failed";

/** Why a task failed, for people. */
export interface TaskFailure {
  readonly code: string;
  readonly message: string;
  readonly remedy: string | undefined;
}

/** What a task's replication is interrupted for. */
export type Interlude = "cutting over" | "rolling back" | "stopping";

/** Of a task's cutover: whether one is to be settled after a restart, or was given up and waits for the operator. */
export type CutoverState = "none" | "under way" | "given up";

/** What the tables show of a task. */
export interface TaskView {
  readonly id: number;
  readonly spec: TaskSpec;
  /** Undefined where its databases are not configured any more. */
  readonly ways: TaskWays | undefined;
  /** What it streams, or compares. */
  readonly pipeline: Pipeline | undefined;
  readonly state: TaskState;
  readonly failure: TaskFailure | undefined;
  readonly interlude: Interlude | undefined;
  /** What an operator should read, where the task goes on nevertheless. */
  readonly warning: string | undefined;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | undefined;
  readonly progress: TaskProgress;
}

/** What is kept in the journal's `detail`. */
export interface StoredDetail {
  readonly ways: StoredWays;
  readonly failure?: TaskFailure;
  readonly warning?: string;
  readonly cutover: CutoverState;
  readonly dropProgress: boolean;
  readonly progress: StoredProgress;
}

/** A task and what has become of it. */
export class Task implements TaskView {
  readonly id: number;
  readonly spec: TaskSpec;
  readonly ways: TaskWays | undefined;
  readonly progress: TaskProgress;
  state: TaskState = "started";
  failure: TaskFailure | undefined;
  interlude: Interlude | undefined;
  warning: string | undefined;
  cutover: CutoverState = "none";
  /** Asked for with STOP_TASK. */
  dropProgress = false;
  readonly startedAt: number;
  updatedAt: number;
  endedAt: number | undefined;
  readonly #stored: { readonly ways: StoredWays; readonly sourceServer: string };

  private constructor(id: number, spec: TaskSpec, ways: TaskWays | undefined, stored: { readonly ways: StoredWays; readonly sourceServer: string }, now: number) {
    this.id = id;
    this.spec = spec;
    this.ways = ways;
    this.#stored = stored;
    this.startedAt = now;
    this.updatedAt = now;
    this.progress = new TaskProgress(taskStages(spec.kind).some(makesSchema));
  }

  static of(id: number, spec: TaskSpec, ways: TaskWays, now: number): Task {
    return new Task(id, spec, ways, { ways: storedWays(ways), sourceServer: displayAddress(ways.pipeline.from.shards[0]!.primary) }, now);
  }

  /** As the journal has it. */
  static restored(row: TaskRow, spec: TaskSpec, ways: TaskWays | undefined): Task {
    const detail = row.detail as StoredDetail;
    const task = new Task(row.id, spec, ways, { ways: detail.ways, sourceServer: row.sourceServer }, row.startedAt.getTime());
    task.state = row.status as TaskState;
    task.failure = detail.failure;
    task.warning = detail.warning;
    task.cutover = detail.cutover;
    task.dropProgress = detail.dropProgress;
    task.updatedAt = row.updatedAt.getTime();
    task.endedAt = row.endedAt?.getTime();
    task.progress.restore(detail.progress);
    return task;
  }

  get pipeline(): Pipeline | undefined {
    return this.ways?.pipeline;
  }

  get ended(): boolean {
    return this.endedAt !== undefined;
  }

  end(state: "finished" | "cancelled" | "failed", now: number, error?: unknown): void {
    this.progress.runEnded(state, now);
    this.state = state;
    this.interlude = undefined;
    if (state === "failed") this.failure = failureOf(error);
    this.updatedAt = now;
    this.endedAt = now;
  }

  row(): TaskRow {
    const { id, spec, state, startedAt, updatedAt, endedAt, failure, warning, cutover, dropProgress } = this;
    const { ways, sourceServer } = this.#stored;
    const detail: StoredDetail = { ways, cutover, dropProgress, progress: this.progress.stored(), ...(failure === undefined ? {} : { failure }), ...(warning === undefined ? {} : { warning }) };
    return {
      id,
      kind: spec.kind,
      source: spec.source,
      destination: spec.destination,
      sourceServer,
      publication: spec.publication,
      slot: spec.slot,
      phase: spec.phase,
      reverse: spec.reverse,
      status: state,
      detail,
      startedAt: new Date(startedAt),
      updatedAt: new Date(updatedAt),
      endedAt: endedAt === undefined ? undefined : new Date(endedAt),
    };
  }
}

export function failureOf(error: unknown): TaskFailure {
  return error instanceof ReshardError ? { code: error.code, message: error.message, remedy: error.remedy } : { code: "DEFECT", message: reasonOf(error), remedy: "This is a fault of pg-reshard; please report it." };
}
