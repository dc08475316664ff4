import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { ReshardError } from "../errors.js";

/** A row of SHOW TASKS, as far as the demo reads it. */
export interface ShownTask {
  readonly id: string | null;
  readonly type: string;
  readonly status: string;
  readonly inner_status: string | null;
}

const LOOK_MILLISECONDS = 200;

/** Somebody at the admin database who types commands and looks at SHOW TASKS. */
export class AdminClient {
  readonly #client: pg.Client;
  readonly #typed: (sql: string) => void;

  constructor(client: pg.Client, typed: (sql: string) => void) {
    this.#client = client;
    this.#typed = typed;
  }

  /** @returns the first row's values */
  async type(sql: string): Promise<Readonly<Record<string, string>>> {
    this.#typed(sql);
    const { rows } = await this.#client.query<Record<string, string>>(sql);
    return rows[0] ?? {};
  }

  /** Looks until a task is as wanted. Fails with DEMO_TASK_FAILED where one fails. */
  async until(wanted: (task: ShownTask) => boolean, signal: AbortSignal): Promise<ShownTask> {
    for (;;) {
      signal.throwIfAborted();
      const { rows } = await this.#client.query<ShownTask>("SHOW TASKS");
      const failed = rows.find(({ status }) => status.startsWith("failed"));
      if (failed !== undefined) throw new ReshardError("DEMO_TASK_FAILED", `${failed.type} ${failed.status}`, { remedy: "Put right what it says and run the demo again: it begins anew, on servers of its own." });
      const found = rows.find(wanted);
      if (found !== undefined) return found;
      await sleep(LOOK_MILLISECONDS);
    }
  }

  async end(): Promise<void> {
    await this.#client.end().catch(() => undefined);
  }
}
