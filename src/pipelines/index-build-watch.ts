import type pg from "pg";
import { endQuietly } from "../postgres/connection.js";
import { type IndexProgress, readIndexProgress } from "../postgres/index-progress.js";

export interface IndexBuildWatchOptions {
  /** Opens a session on the shard, beside those that build; the watch ends it. */
  readonly session: () => Promise<pg.Client>;
  readonly onProgress: (statement: number, progress: IndexProgress) => void;
  /** Milliseconds between two looks, and before the first. Default 500. */
  readonly interval?: number;
}

/**
 * Looks now and then how far the index builds of one shard are, as long as a statement is under way there. It has a
 * session of its own, opened where statements take longer than a moment; what goes wrong with it hinders nobody.
 */
export class IndexBuildWatch {
  readonly #options: IndexBuildWatchOptions;
  /** Statements under way, by the process that runs each. */
  readonly #running = new Map<number, { readonly statement: number }>();
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  #closed = false;

  constructor(options: IndexBuildWatchOptions) {
    this.#options = options;
  }

  began(backend: number, statement: number): void {
    this.#running.set(backend, { statement });
    this.#schedule();
  }

  ended(statement: number): void {
    for (const [backend, running] of this.#running) if (running.statement === statement) this.#running.delete(backend);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#running.clear();
    await this.#look;
    await endQuietly(this.#client);
  }

  #schedule(): void {
    if (this.#closed || this.#timer !== undefined || this.#look !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#running.size === 0) return;
      this.#look = this.#report().catch(async () => {
        await endQuietly(this.#client);
        this.#client = undefined;
      });
      void this.#look.then(() => {
        this.#look = undefined;
        if (this.#running.size > 0) this.#schedule();
      });
    }, this.#options.interval ?? INTERVAL);
    // It is the builds that keep a process going.
    this.#timer.unref();
  }

  async #report(): Promise<void> {
    this.#client ??= await this.#options.session();
    const before = new Map(this.#running);
    const progress = await readIndexProgress(this.#client, [...before.keys()]);
    for (const [backend, running] of before) {
      const found = progress.get(backend);
      // Whose process went on to another statement meanwhile is left out: it may be that one's progress.
      if (found !== undefined && this.#running.get(backend) === running) this.#options.onProgress(running.statement, found);
    }
  }
}

const INTERVAL = 500;
