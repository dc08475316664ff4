import type pg from "pg";
import type { SourceTransaction } from "../../change-batch.js";
import type { ServerAddress } from "../../config/types.js";
import { sees } from "../../postgres/seen-transactions.js";
import { Lookup } from "../lookup.js";
import { untilSeen } from "../until-seen.js";

/** Looks rows up on the server that a stream comes from. */
export class SourceLookup {
  readonly #server: ServerAddress;
  readonly #open: () => Promise<pg.Client>;
  #lookup: Lookup;

  constructor(server: ServerAddress, open: () => Promise<pg.Client>) {
    this.#server = server;
    this.#open = open;
    this.#lookup = new Lookup(open);
  }

  /** For another attempt: the session of the one before may be lost. */
  async renew(): Promise<void> {
    const former = this.#lookup;
    this.#lookup = new Lookup(this.#open);
    await former.close();
  }

  async use<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return await this.#lookup.use(work);
  }

  /** Waits until these transactions are seen there. */
  async untilSeen(transactions: readonly SourceTransaction[]): Promise<void> {
    if (transactions.length === 0) return;
    await this.#lookup.use((client) => untilSeen(client, this.#server, (seen) => transactions.every(({ xid }) => sees(seen, xid))));
  }

  async close(): Promise<void> {
    await this.#lookup.close();
  }
}
