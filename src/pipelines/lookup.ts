import type pg from "pg";
import { endQuietly } from "../postgres/connection.js";

/** A session that most runs never need: opened when it is first used, for one piece of work at a time. */
export class Lookup {
  readonly #open: () => Promise<pg.Client>;
  #session: Promise<pg.Client> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(open: () => Promise<pg.Client>) {
    this.#open = open;
  }

  async use<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => await work(await (this.#session ??= this.#open())));
    this.#turn = result.catch(() => undefined);
    return await result;
  }

  async close(): Promise<void> {
    await endQuietly(await this.#session?.catch(() => undefined));
  }
}
