import type { Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { PipelineEvent } from "../pipelines/events.js";
import { runPipeline } from "../pipelines/run-pipeline.js";
import { runSchemaSync } from "../pipelines/run-schema-sync.js";
import { isSound, type TableVerdict } from "../pipelines/table-verdict.js";
import { counted } from "../words.js";
import type { Traffic } from "../pipelines/traffic.js";
import { type CutoverOrder, type CutoverOutcome, runCutover, settle } from "./run-cutover.js";
import { failureOf, type Task } from "./task.js";
import { taskStages } from "./task-stages.js";
import type { TaskWays } from "./task-ways.js";

/** What a task's run needs of who runs it. */
export interface TaskTools {
  readonly trafficOf: (pipeline: Pipeline) => Traffic;
  /** Told what the task tells. */
  readonly report: (event: PipelineEvent) => void;
  /** Something of the task is to be written to the journal, soon. */
  changed(): void;
  /** It is to be written now. Fails where the journal's server does not answer. */
  save(): Promise<void>;
  /** The traffic was moved: begins the task of the way back. */
  switched(): Promise<void>;
  /** The task of the way back was begun, and what has become of the traffic since is that one's business. */
  wasSwitched(): Promise<boolean>;
  /** The process ends: what was begun is gone on with by the next one. */
  isClosing(): boolean;
}

/** Something that needs the migration for itself; the replication pauses for it. */
export type Errand = () => Promise<void>;

/** Patience with a lock that a killed process still holds, and between two attempts to settle a cutover; milliseconds. */
const LOCK_PATIENCE = 60_000;
const POLL = 500;

/** Does a task's work, once. */
export class TaskRun {
  readonly #task: Task;
  readonly #ways: TaskWays;
  readonly #pipeline: Pipeline;
  readonly #tools: TaskTools;
  readonly #stop = new AbortController();
  readonly #errands: { readonly carryOut: () => Promise<void>; readonly giveUp: (error: Error) => void }[] = [];
  #interruption = new AbortController();
  #replicates = false;
  #cutoverWanted = false;

  constructor(task: Task, ways: TaskWays, tools: TaskTools) {
    this.#task = task;
    this.#ways = ways;
    this.#pipeline = ways.pipeline;
    this.#tools = tools;
  }

  /** Rows and schema are on the shards: changes stream. */
  get replicates(): boolean {
    return this.#replicates;
  }

  /** What is on the way is finished, and nothing more is begun. */
  stop(): void {
    this.#stop.abort();
  }

  /** Moves the traffic, as soon as the replication has paused. */
  requestCutover(): void {
    this.#cutoverWanted = true;
    this.#interruption.abort();
  }

  /** Does something in a pause of the replication. Rejects with what it rejects with, or where the task ends before. */
  async whilePaused(errand: Errand): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#errands.push({ carryOut: () => errand().then(resolve, reject), giveUp: reject });
      this.#interruption.abort();
    });
  }

  readonly #report = (event: PipelineEvent): void => {
    this.#task.progress.apply(event, Date.now());
    this.#task.updatedAt = Date.now();
    this.#tools.report(event);
    this.#tools.changed();
  };

  /** A stage that is over is not told of again: its totals are to outlive the process. */
  readonly #saved = async (): Promise<void> => {
    await this.#tools.save().catch(() => { this.#tools.changed(); });
  };

  /**
   * To the end, or to where it was stopped.
   * @param resumed a former process had begun it, and its lock may be held for a moment still
   */
  async run(resumed: boolean): Promise<"finished" | "stopped"> {
    try {
      return await this.#run(resumed);
    } catch (error) {
      if (this.#isInterruption(error, this.#stop.signal)) return "stopped";
      throw error;
    } finally {
      this.#replicates = false;
      const { id } = this.#task;
      for (const { giveUp } of this.#errands.splice(0)) giveUp(new ReshardError("TASK_ENDED", `Task ${id} ended before its replication could be paused for this.`, { remedy: "Give the command again." }));
    }
  }

  async #run(resumed: boolean): Promise<"finished" | "stopped"> {
    const { kind, phase } = this.#task.spec;
    const signal = this.#stop.signal;
    const begin = async <T>(work: () => Promise<T>): Promise<T> => (resumed ? await this.#onceUnlocked(work) : await work());
    switch (kind) {
      case "schema_sync":
        await begin(() => runSchemaSync({ pipeline: this.#pipeline, phase: phase!, report: this.#report, signal }));
        return "finished";
      case "verify":
        checkVerdicts((await begin(() => runPipeline({ pipeline: { ...this.#pipeline, stages: [{ type: "verify" }] }, report: this.#report, signal }))).verdicts);
        return "finished";
      case "reshard":
      case "copy_data":
      case "replication":
        return await this.#migrate(begin);
    }
  }

  /** Only brings to its end what a process before has left of a cutover. */
  async settle(): Promise<"finished" | "stopped"> {
    return (await this.#settleBegun((work) => this.#onceUnlocked(work))) ?? "stopped";
  }

  async #settleBegun(begin: <T>(work: () => Promise<T>) => Promise<T>): Promise<"finished" | undefined> {
    if (this.#task.cutover !== "under way") return undefined;
    this.#task.interlude = this.#interlude;
    if (await this.#tools.wasSwitched()) return "finished";
    const outcome = await this.#settled(await begin(async () => {
      const found = await settle(this.#order());
      if (found.kind === "given up" && found.error !== undefined) throw found.error;
      return found;
    }));
    if (outcome.kind === "switched") return await this.#switched();
    this.#task.interlude = undefined;
    this.#task.cutover = "none";
    return undefined;
  }

  async #migrate(begin: <T>(work: () => Promise<T>) => Promise<T>): Promise<"finished" | "stopped"> {
    const { spec } = this.#task;
    if ((await this.#settleBegun(begin)) === "finished") return "finished";
    const stages = taskStages(spec.kind);
    if (stages.length > 0) await begin(() => runPipeline({ pipeline: { ...this.#pipeline, stages }, report: this.#report, signal: this.#stop.signal, beforeStage: this.#saved }));
    // The way back has everything already, and what its foreign keys are is the applications' business.
    let caughtUp = spec.reverse;
    let automatic = spec.kind === "reshard" && this.#task.cutover === "none";
    this.#replicates = true;
    for (;;) {
      if (this.#stop.signal.aborted) return "stopped";
      const errand = this.#errands.shift();
      if (errand !== undefined) {
        await errand.carryOut();
      } else if (this.#cutoverWanted || (automatic && caughtUp)) {
        this.#cutoverWanted = automatic = false;
        const outcome = await this.#cutOver();
        if (outcome.kind === "switched") return await this.#switched();
      } else {
        caughtUp = (await begin(() => this.#replicate(caughtUp ? "stopped" : "caught-up"))) || caughtUp;
      }
    }
  }

  /** Until it is interrupted; true where that was not. */
  async #replicate(until: "caught-up" | "stopped"): Promise<boolean> {
    this.#interruption = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, this.#interruption.signal]);
    try {
      await runPipeline({ pipeline: { ...this.#pipeline, stages: [{ type: "replicate", until }] }, report: this.#report, signal, beforeStage: this.#saved });
    } catch (error) {
      if (!this.#isInterruption(error, signal)) throw error;
    }
    return !signal.aborted;
  }

  get #interlude(): "rolling back" | "cutting over" {
    return this.#task.spec.reverse ? "rolling back" : "cutting over";
  }

  async #cutOver(): Promise<CutoverOutcome> {
    const task = this.#task;
    task.interlude = this.#interlude;
    task.warning = undefined;
    task.cutover = "under way";
    let outcome: CutoverOutcome;
    try {
      // Whoever finds the task after a crash has to know that there is something to settle.
      await this.#tools.save();
      outcome = await this.#settled(await runCutover(this.#order()));
    } catch (error) {
      outcome = { kind: "given up", error: error instanceof Error ? error : new Error(String(error)) };
    }
    task.interlude = undefined;
    if (outcome.kind === "switched") return outcome;
    if (!this.#tools.isClosing()) {
      task.cutover = "given up";
      const { message, remedy } = failureOf(outcome.error);
      task.warning = `The cutover was given up, and replication goes on: ${message}${remedy === undefined ? "" : ` ${remedy}`}`;
      this.#tools.changed();
    }
    return outcome;
  }

  /** Tries until it is known on which side the traffic is, or the task is stopped. */
  async #settled(outcome: CutoverOutcome): Promise<CutoverOutcome> {
    let last = outcome;
    while (last.kind === "unsettled") {
      if (this.#stop.signal.aborted) throw last.error;
      this.#task.warning = failureOf(last.error).message;
      this.#tools.changed();
      await pause(this.#stop.signal);
      const next = await settle(this.#order());
      // A server may be down just now: what is to be settled is to be settled still.
      last = next.kind !== "given up" ? next : next.error === undefined ? { kind: "given up", error: last.error } : { kind: "unsettled", error: next.error };
    }
    return last;
  }

  /** The slots of the way back hold what is written from now on: its task has to begin. */
  async #switched(): Promise<"finished"> {
    for (;;) {
      try {
        await this.#tools.switched();
        break;
      } catch (error) {
        if (this.#stop.signal.aborted) throw error;
        this.#task.warning = `The traffic was moved, and the way back cannot be begun yet: ${failureOf(error).message}`;
        this.#tools.changed();
        await pause(this.#stop.signal);
      }
    }
    this.#task.warning = undefined;
    return "finished";
  }

  #order(): CutoverOrder {
    return { ways: this.#ways, trafficOf: this.#tools.trafficOf, report: this.#report, signal: this.#stop.signal };
  }

  async #onceUnlocked<T>(work: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + LOCK_PATIENCE;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ReshardError) || error.code !== "ALREADY_RUNNING" || Date.now() > deadline || this.#stop.signal.aborted) throw error;
        await pause(this.#stop.signal);
      }
    }
  }

  #isInterruption(error: unknown, signal: AbortSignal): boolean {
    return signal.aborted && error instanceof ReshardError && error.code === "INTERRUPTED";
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, POLL);
    signal.addEventListener("abort", done);
  });
}

function checkVerdicts(verdicts: readonly TableVerdict[]): void {
  const bad = verdicts.filter((verdict) => !isSound(verdict));
  if (bad.length === 0) return;
  throw new ReshardError("TABLES_DIFFER", `${bad.length} of ${counted(verdicts.length, "table")} ${bad.length === 1 ? "differs" : "differ"}: ${bad.map(({ table }) => table).join(", ")}.`, {
    remedy: "SHOW VERIFY tells rows and what is wrong.",
  });
}
