import type { Database, Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { PipelineEvent } from "../pipelines/events.js";
import { explainError } from "../pipelines/explain-error.js";
import { generatedSlot, migrationId } from "../pipelines/migration.js";
import type { Traffic } from "../pipelines/traffic.js";
import { displayAddress } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import type { TaskRow } from "../progress/task-journal.js";
import { type StoredDetail, Task, type TaskView } from "./task.js";
import { nextTaskId } from "./task-id.js";
import { alreadyRunning, dropMigration, isCancelling, isMigration, isOneWay, notReplicating } from "./task-rules.js";
import { TaskRun } from "./task-run.js";
import { migrationKey, TASK_KINDS, type TaskSpec } from "./task-spec.js";
import { TaskStore } from "./task-store.js";
import { type PipelineFor, restoredWays, type TaskWays, turned, waysOf } from "./task-ways.js";

/** What tasks work with. */
export interface TaskWorld {
  /** All configured databases, as they are called now. */
  databases(): readonly Database[];
  readonly pipelineFor: PipelineFor;
  /** What holds back and moves the applications' statements of the pipeline's two databases. */
  readonly trafficOf: (pipeline: Pipeline) => Traffic;
  /** Told what tasks tell while they go on. */
  readonly report?: (task: TaskView, event: PipelineEvent) => void;
}

/** How long tasks that have ended are listed. */
const LISTED_MILLISECONDS = 24 * 60 * 60 * 1000;
/** Between two attempts to read the journal of a database that does not answer. */
const READ_AGAIN_MILLISECONDS = 5000;

/** How long tasks are waited for when the process ends. */
const CLOSING_MILLISECONDS = 10_000;

interface Running {
  readonly run: TaskRun;
  readonly ended: Promise<void>;
}

/**
 * Long work of the admin database. Each task is in the journal of its destination before it begins, so that a process
 * that comes later goes on with it.
 */
export class TaskManager {
  readonly #world: TaskWorld;
  readonly #store = new TaskStore();
  readonly #tasks = new Map<number, Task>();
  readonly #running = new Map<number, Running>();
  /** Databases whose journals were read, by the address of the first shard. */
  readonly #read = new Map<string, Promise<void>>();
  #lastId = 0;
  #beginning: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(world: TaskWorld) {
    this.#world = world;
  }

  /**
   * Reads the journals of all configured databases and goes on with what was not finished. A database that does not answer
   * is asked again, for as long as it takes; this resolves when each has been asked once. Also after a RELOAD.
   */
  async start(): Promise<void> {
    if (this.#closing) return;
    clearTimeout(this.#timer);
    const readings = await Promise.allSettled(this.#world.databases().map((database) => this.#readJournal(database)));
    if (readings.some(({ status }) => status === "rejected")) {
      this.#timer = setTimeout(() => void this.start(), READ_AGAIN_MILLISECONDS).unref();
    }
  }

  /**
   * Stops all tasks where they can be gone on with by the next process, and waits for that, up to a limit: one that waits
   * for a lock on a server is left to the end of the process, as if that were killed.
   */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    for (const { run } of this.#running.values()) run.stop();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSING_MILLISECONDS);
    });
    await Promise.race([patience, Promise.all([...this.#running.values()].map(({ ended }) => ended))]);
    clearTimeout(timer);
    await this.#store.close();
  }

  /** Those that run and those that ended in the last day, the newest first. */
  list(): readonly TaskView[] {
    const since = Date.now() - LISTED_MILLISECONDS;
    for (const task of this.#tasks.values()) if (task.endedAt !== undefined && task.endedAt < since) this.#tasks.delete(task.id);
    return [...this.#tasks.values()].sort((a, b) => b.id - a.id);
  }

  /**
   * Begins a task. Fails with ALREADY_RUNNING where another of the same migration runs; a comparison is made in a pause of
   * that one, if it replicates.
   */
  async begin(spec: Omit<TaskSpec, "reverse">): Promise<TaskView> {
    const { source, destination, publication, slot } = spec;
    const pipeline = this.#world.pipelineFor({ source, destination, publication, slot });
    return await this.#serially(async () => {
      await this.#readJournal(pipeline.to);
      const other = this.#runningOn(pipeline);
      const host = other !== undefined && spec.kind === "verify" && isOneWay(pipeline, other.pipeline!) ? this.#running.get(other.id)!.run : undefined;
      if (other !== undefined && host?.replicates !== true) throw alreadyRunning(other);
      // Its name may be another one since a cutover, and the slots are that one's.
      const task = await this.#create({ ...spec, reverse: false }, other?.ways ?? waysOf(pipeline));
      this.#launch(task, false, host);
      return task;
    });
  }

  /** The base name of the slots that a task streams from; the source shard's number is appended. */
  slotOf(task: TaskView): string | undefined {
    return task.pipeline === undefined ? undefined : (task.pipeline.slot ?? generatedSlot(migrationId(task.pipeline)));
  }

  /** Moves the traffic of a task that replicates; of the one with the lowest number where none is named. */
  cutOver(id: number | undefined): void {
    const candidates = [...this.#running].filter(([, { run }]) => run.replicates).map(([candidate]) => candidate).sort((a, b) => a - b);
    const chosen = id ?? candidates[0];
    const task = chosen === undefined ? undefined : this.#tasks.get(chosen);
    if (chosen === undefined || task === undefined || !candidates.includes(chosen)) {
      throw notReplicating(task);
    }
    if (task.interlude !== undefined) throw new ReshardError("ALREADY_RUNNING", `Task ${task.id} is ${task.interlude} already.`, { remedy: "SHOW CUTOVER tells how far it is." });
    this.#running.get(chosen)!.run.requestCutover();
  }

  /**
   * Stops a task: what it has on the way is finished first. Undefined where there is no such task; else sentences for the
   * operator.
   */
  async stop(id: number, { dropProgress }: { readonly dropProgress: boolean }): Promise<readonly string[] | undefined> {
    this.list();
    const task = this.#tasks.get(id);
    if (task === undefined) return undefined;
    const running = this.#running.get(id);
    if (running === undefined) {
      if (!dropProgress && !(task.spec.reverse && task.state !== "finished")) return [`Task ${id} has ended already: it is ${task.state}.`];
      return await this.#finish(task, dropProgress);
    }
    task.state = "cancelling";
    task.interlude ??= "stopping";
    task.dropProgress ||= dropProgress;
    // A process that comes later does not go on with it.
    const notices = await this.#save(task).then(() => [], (error: unknown) => [`It stops, and that could not be noted yet: ${reasonOf(error)}`]);
    running.run.stop();
    if (task.spec.reverse || task.dropProgress || !isMigration(task.spec.kind)) return notices;
    return [...notices, `Its slots ${this.slotOf(task)}_… stay, and the source keeps WAL for them: go on with the same command, or end the migration with STOP_TASK ${id} DROP PROGRESS.`];
  }

  async #readJournal(database: Database): Promise<void> {
    const key = displayAddress(database.shards[0]!.primary);
    const known = this.#read.get(key);
    if (known !== undefined) {
      await known;
      return;
    }
    const reading = this.#store.read(database).then((rows) => {
      for (const row of rows) this.#restore(row, database);
    });
    this.#read.set(key, reading);
    await reading.catch((error: unknown) => {
      this.#read.delete(key);
      throw error;
    });
  }

  #restore(row: TaskRow, database: Database): void {
    this.#lastId = Math.max(this.#lastId, row.id);
    const kind = TASK_KINDS.find((known) => known === row.kind);
    if (kind === undefined || this.#tasks.has(row.id) || this.#closing) return;
    const spec: TaskSpec = { kind, source: row.source, destination: row.destination, publication: row.publication, slot: row.slot, phase: row.phase as TaskSpec["phase"], reverse: row.reverse };
    let ways: TaskWays | undefined;
    let failure: unknown;
    try {
      ways = restoredWays(row, (row.detail as StoredDetail).ways, database, this.#world.databases(), this.#world.pipelineFor);
    } catch (error) {
      failure = error;
    }
    const task = Task.restored(row, spec, ways);
    const host = kind === "verify" && ways !== undefined ? this.#runningOn(ways.pipeline) : undefined;
    this.#tasks.set(task.id, task);
    if (task.ended) return;
    if (ways !== undefined) this.#launch(task, true, host === undefined ? undefined : this.#running.get(host.id)!.run);
    // In memory only: with another configuration it can be gone on with.
    else task.end("failed", Date.now(), failure);
  }

  /** Makes a task and notes it in the journal. */
  async #create(spec: TaskSpec, ways: TaskWays): Promise<Task> {
    for (;;) {
      this.#lastId = nextTaskId(this.#lastId, Date.now());
      const task = Task.of(this.#lastId, spec, ways, Date.now());
      if (!(await this.#store.begin(ways.pipeline.to.shards[0]!.primary, task.row()))) continue;
      this.#tasks.set(task.id, task);
      return task;
    }
  }

  #launch(task: Task, resumed: boolean, host: TaskRun | undefined): void {
    const ways = task.ways!;
    const run = new TaskRun(task, ways, {
      trafficOf: this.#world.trafficOf,
      report: (event) => { this.#world.report?.(task, event); },
      changed: () => { this.#store.note(ways.pipeline.to.shards[0]!.primary, () => task.row(), task.id); },
      save: () => this.#save(task),
      switched: () => this.#beginReverse(task, turned(ways)),
      wasSwitched: () => this.#hasReverse(task, ways),
      isClosing: () => this.#closing,
    });
    this.#running.set(task.id, { run, ended: Promise.resolve().then(() => this.#carryOut(task, run, resumed, host)) });
  }

  async #carryOut(task: Task, run: TaskRun, resumed: boolean, host: TaskRun | undefined): Promise<void> {
    try {
      // What was to be stopped when the last process ended is not begun again; but a cutover has to have an end.
      const finished = (await (isCancelling(task) ? run.settle() : this.#work(task, run, resumed, host))) === "finished";
      if (!finished && this.#closing && !isCancelling(task)) return;
      if (!finished && isMigration(task.spec.kind) && (task.spec.reverse || task.dropProgress)) await dropMigration(task);
      task.end(finished || task.spec.reverse ? "finished" : "cancelled", Date.now());
    } catch (cause) {
      const error = explainError(cause);
      // The next process tries it again.
      if (this.#closing && error instanceof ReshardError && error.kind === "retry") return;
      task.end("failed", Date.now(), error);
    } finally {
      this.#running.delete(task.id);
    }
    await this.#store.saveSurely(task.pipeline!.to.shards[0]!.primary, () => task.row(), task.id, () => this.#closing);
  }

  async #work(task: Task, run: TaskRun, resumed: boolean, host: TaskRun | undefined): Promise<"finished" | "stopped"> {
    task.state = "running";
    if (host === undefined) return await run.run(resumed);
    let result: "finished" | "stopped" = "stopped";
    await host.whilePaused(async () => { result = await run.run(false); });
    return result;
  }

  /** A task that works on the same migration, the oldest first. */
  #runningOn(pipeline: Pipeline): Task | undefined {
    const key = migrationKey(pipeline);
    return [...this.#running.keys()].map((id) => this.#tasks.get(id)!).find((task) => task.pipeline !== undefined && migrationKey(task.pipeline) === key);
  }

  /** Of a task that has ended. */
  async #finish(task: Task, dropProgress: boolean): Promise<readonly string[]> {
    if (!isMigration(task.spec.kind) || task.pipeline === undefined) return [`Task ${task.id} leaves nothing behind.`];
    const other = this.#runningOn(task.pipeline);
    if (other !== undefined) throw alreadyRunning(other);
    task.dropProgress = dropProgress;
    await dropMigration(task);
    return [];
  }

  async #beginReverse(task: Task, ways: TaskWays): Promise<void> {
    await this.#serially(async () => {
      const { from, to, publication } = ways.pipeline;
      // As applications and operators call them from now on.
      const nameNow = (database: Database): string => this.#configured(database)?.name ?? database.name;
      const spec: TaskSpec = { kind: "replication", source: nameNow(from), destination: nameNow(to), publication, slot: task.spec.slot, phase: undefined, reverse: true };
      this.#launch(await this.#create(spec, ways), false, undefined);
    });
  }

  /** A former process may have come this far, and further, without noting the end of the task. */
  async #hasReverse(task: Task, { opposite }: TaskWays): Promise<boolean> {
    const journaled = this.#configured(opposite.to);
    if (journaled !== undefined) await this.#readJournal(journaled);
    return [...this.#tasks.values()].some((other) => other.id > task.id && isMigration(other.spec.kind) && other.pipeline !== undefined && migrationKey(other.pipeline) === migrationKey(opposite) && isOneWay(other.pipeline, opposite));
  }

  /** A database as it is configured, and called, now. */
  #configured(database: Database): Database | undefined {
    return this.#world.databases().find(({ shards }) => displayAddress(shards[0]!.primary) === displayAddress(database.shards[0]!.primary));
  }

  async #save(task: Task): Promise<void> {
    await this.#store.save(task.pipeline!.to.shards[0]!.primary, () => task.row(), task.id);
  }

  /** One task begins at a time: whether it may is looked at before. */
  async #serially<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#beginning.then(work);
    this.#beginning = turn.catch(() => undefined);
    return await turn;
  }
}
