import pg from "pg";
import type { CutoverStep } from "../../src/progress/cutover-journal.js";
import { type AdminTask, replicating, streamingBack, untilTask } from "./admin-tasks.js";
import { atEnd } from "./at-end.js";
import { type CommandRun, startCommand } from "./cli.js";
import { ADMIN_PASSWORD, type ServedFiles } from "./served.js";

/** `pg-reshard serve` as a process of its own, which is killed and started again on the same port. */
export class ServedProcess {
  readonly #files: ServedFiles;
  readonly #port: number;
  #run: CommandRun | undefined;
  #killAt: CutoverStep | undefined;
  #listening = resolvable();
  #admin: pg.Client | undefined;
  /** A test that was given up does not start it once more. */
  #ended = false;

  /** @param port the one that the files name */
  constructor(files: ServedFiles, port: number) {
    this.#files = files;
    this.#port = port;
    atEnd(async () => {
      this.#ended = true;
      this.#run?.child.kill("SIGKILL");
      await this.#run?.ended;
    });
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    if (this.#ended) throw new Error("the tests are over");
    const ended = new Promise<never>((_, reject) => {
      const run = startCommand(["--json", "--config", this.#files.config, "--users", this.#files.users, "serve"], {
        onEvent: (event) => {
          if (event.type === "listening") this.#listening.resolve();
          const { event: inner } = event as { event?: { type: string; step?: string; state?: string } };
          if (inner?.type === "cutover-step" && inner.state === "began" && inner.step === this.#killAt) run.child.kill("SIGKILL");
        },
      });
      this.#run = run;
      void run.ended.then((code) => { reject(new Error(`serve ended with ${code}: ${run.stderr()}`)); });
    });
    ended.catch(() => undefined);
    await Promise.race([this.#listening.promise, ended]);
    this.#admin = new pg.Client({ host: "127.0.0.1", port: this.#port, database: "admin", user: "admin", password: ADMIN_PASSWORD });
    this.#admin.on("error", () => undefined);
    await this.#admin.connect();
  }

  /** Resolves when it listens: where it was killed, when it was started again. */
  readonly listening = async (): Promise<void> => { await this.#listening.promise; };

  /** Runs a statement in the admin database. */
  async command<Row extends pg.QueryResultRow>(text: string): Promise<readonly Row[]> {
    return (await this.#admin!.query<Row>(text)).rows;
  }

  /** Kills it, and resolves when it has ended. */
  async kill(): Promise<void> {
    this.#run!.child.kill("SIGKILL");
    await this.#killed();
  }

  /** Types CUTOVER, and kills it as soon as the step begins. */
  async killAt(step: CutoverStep, task: string): Promise<void> {
    this.#killAt = step;
    await this.cutOver(task);
    await this.#killed();
    this.#killAt = undefined;
  }

  /** Waits for the one task that replicates; but not for those named. */
  async replicating(...but: readonly string[]): Promise<AdminTask> {
    return await untilTask(this.#admin!, replicating(...but));
  }

  /** Waits for the task that leads back; but not for those named. */
  async streamingBack(...but: readonly string[]): Promise<AdminTask> {
    return await untilTask(this.#admin!, streamingBack(...but));
  }

  /** Types CUTOVER until the task takes it: one that was gone on with opens its sessions first. */
  async cutOver(task: string): Promise<void> {
    for (;;) {
      try {
        await this.command(`CUTOVER ${task}`);
        return;
      } catch (error) {
        if (!(error instanceof Error) || !error.message.includes("not a replication task")) throw error;
        await this.replicating();
      }
    }
  }

  async #killed(): Promise<void> {
    const code = await this.#run!.ended;
    if (code !== null) throw new Error(`serve ended with ${code}`);
    this.#listening = resolvable();
    await this.#admin!.end().catch(() => undefined);
  }
}

function resolvable(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => { resolve = done; });
  return { promise, resolve };
}
