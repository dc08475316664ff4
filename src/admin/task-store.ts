import type pg from "pg";
import type { Database, ServerAddress } from "../config/types.js";
import { explainError } from "../pipelines/explain-error.js";
import { Sessions } from "../pipelines/sessions.js";
import { createProgressTables, hasProgressTables } from "../progress/progress-tables.js";
import { beginTask, hasTaskTable, readTasks, type TaskRow, updateTask } from "../progress/task-journal.js";

/** How long progress may be unwritten, in milliseconds; what decides anything is written at once. */
const SAVE_MILLISECONDS = 1000;
/** Between two attempts at a server that does not answer. */
const AGAIN_MILLISECONDS = 1000;

/** The journals of tasks, each on the first shard of the task's destination. */
export class TaskStore {
  readonly #sessions = new Sessions("tasks");
  readonly #writers = new Map<number, RowWriter>();

  /** What a database's journal holds; empty where none was made. */
  async read(database: Database): Promise<TaskRow[]> {
    return await this.#use(database.shards[0]!.primary, async (client) => ((await hasTaskTable(client)) ? await readTasks(client) : []));
  }

  /** Notes a new task, in tables that are made where they are missing. False where its number is taken. */
  async begin(address: ServerAddress, row: TaskRow): Promise<boolean> {
    return await this.#use(address, async (client) => {
      if (!(await hasProgressTables(client)) || !(await hasTaskTable(client))) await createTables(client);
      return await beginTask(client, row);
    });
  }

  /** Writes what has become of a task, soon. */
  note(address: ServerAddress, row: () => TaskRow, id: number): void {
    this.#writer(address, row, id).note();
  }

  /** Writes it now. Fails where the server does not answer. */
  async save(address: ServerAddress, row: () => TaskRow, id: number): Promise<void> {
    await this.#writer(address, row, id).write();
  }

  /** Writes it, however long the server takes to come back, unless that is not worth it any more. */
  async saveSurely(address: ServerAddress, row: () => TaskRow, id: number, giveUp: () => boolean): Promise<void> {
    await this.#writer(address, row, id).writeSurely(giveUp);
    this.#writers.delete(id);
  }

  /** Writes what is unwritten, as far as servers answer, and ends all sessions. */
  async close(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.close()));
    await this.#sessions.kept.close();
  }

  #writer(address: ServerAddress, row: () => TaskRow, id: number): RowWriter {
    const known = this.#writers.get(id);
    if (known !== undefined) return known;
    const writer = new RowWriter(() => this.#use(address, async (client) => {
      if (await hasTaskTable(client)) await updateTask(client, row());
    }));
    this.#writers.set(id, writer);
    return writer;
  }

  async #use<T>(address: ServerAddress, work: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      return await this.#sessions.kept.use(address, "journal", work);
    } catch (error) {
      throw explainError(error);
    }
  }
}

/** Writes one row, one write at a time. */
class RowWriter {
  readonly #store: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(store: () => Promise<void>) {
    this.#store = store;
  }

  note(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // Where it does not succeed, the next note or the end brings it.
      void this.write().catch(() => undefined);
    }, SAVE_MILLISECONDS).unref();
  }

  async write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const write = this.#writing.catch(() => undefined).then(this.#store);
    this.#writing = write;
    await write;
  }

  async writeSurely(giveUp: () => boolean): Promise<void> {
    for (;;) {
      try {
        await this.write();
        return;
      } catch {
        if (giveUp()) return;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLISECONDS).unref());
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const unwritten = this.#timer !== undefined;
    clearTimeout(this.#timer);
    await (unwritten ? this.write() : this.#writing).catch(() => undefined);
  }
}

async function createTables(client: pg.Client): Promise<void> {
  try {
    await client.query("BEGIN");
    await createProgressTables(client);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}
