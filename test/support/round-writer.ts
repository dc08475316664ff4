import type pg from "pg";

/** Writes round after round, in a session of its own, as many as it is allowed, until it is stopped. */
export class RoundWriter {
  readonly #client: pg.Client;
  readonly #write: (client: pg.Client, round: number) => Promise<void>;
  #rounds = 0;
  #allowed = 0;
  #goOn: (() => void) | undefined;
  #stopped = false;
  #failure: { readonly error: unknown } | undefined;
  #done: Promise<void> | undefined;
  #waiting: (() => void)[] = [];

  constructor(client: pg.Client, write: (client: pg.Client, round: number) => Promise<void>) {
    this.#client = client;
    this.#write = write;
  }

  /** Rounds written so far. */
  get rounds(): number {
    return this.#rounds;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Lets it write so many rounds from now; those that were allowed before and not yet written count among them. */
  allow(rounds: number): void {
    this.#allowed = this.#rounds + rounds;
    this.#goOn?.();
  }

  /** Waits until so many rounds are written; throws what made one fail. */
  async until(rounds: number): Promise<void> {
    while (this.#failure === undefined && this.#rounds < rounds) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends with the round under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#goOn?.();
    await this.#done;
    await this.#client.end();
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        while (!this.#stopped && this.#rounds >= this.#allowed) await new Promise<void>((resolve) => (this.#goOn = resolve));
        if (this.#stopped) break;
        await this.#write(this.#client, this.#rounds + 1);
        this.#rounds++;
        this.#wake();
      }
    } catch (error) {
      this.#failure = { error };
      this.#wake();
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
