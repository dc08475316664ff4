import type { Launched, OnEvent } from "./launch.js";
import { until } from "./until.js";

const RUNS = 50;

/** Runs the pipeline in the background, again where it ended by passing trouble, as an operator would. */
export class Supervisor {
  readonly #launch: (onEvent: OnEvent) => Launched;
  readonly #note: (line: string) => void;
  #run: Launched | undefined;
  #loop: Promise<void> | undefined;
  #failure: unknown;
  #stopping = false;
  #events = 0;
  #streams = false;

  constructor(launch: (onEvent: OnEvent) => Launched, note: (line: string) => void) {
    this.#launch = launch;
    this.#note = note;
  }

  start(): void {
    this.#stopping = false;
    this.#loop = this.#supervise();
    this.#loop.catch((error: unknown) => { this.#failure = error; });
  }

  /** Fails where the run did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  /** Ends it at a good moment. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#run?.stop();
    await this.#loop;
    this.#loop = undefined;
  }

  async kill(): Promise<void> {
    this.#stopping = true;
    this.#run?.kill();
    await this.#loop;
    this.#loop = undefined;
  }

  async streams(): Promise<void> {
    await this.hear(Number.POSITIVE_INFINITY);
  }

  /** Waits until the run has told so much more, or streams. */
  async hear(events: number): Promise<void> {
    const enough = this.#events + events;
    await until(`${events} events of the run`, () => {
      this.check();
      return this.#events >= enough || this.#streams;
    });
  }

  async #supervise(): Promise<void> {
    for (let runs = 0; runs < RUNS; runs++) {
      this.#streams = false;
      const run = this.#launch((event) => {
        this.#events++;
        if (event.type === "stage-started") this.#streams = event.stage === "replicate";
        if (event.type !== "stream-progress") this.#note(`  ${event.type} ${[event.stage, event.reason].filter((text) => typeof text === "string").join()}`);
      });
      this.#run = run;
      const ending = await run.ended;
      this.#streams = false;
      this.#note(`  the run ended: ${ending.kind} ${"code" in ending ? ending.code : ""}`);
      if (ending.kind === "failed") throw ending.error;
      if (this.#stopping) return;
      if (ending.kind !== "again") throw new Error(`the run ended by itself: ${ending.kind}`);
    }
    throw new Error(`the run was begun ${RUNS} times and never went on`);
  }
}
