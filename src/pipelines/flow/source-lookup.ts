import type pg from "pg";
import type { SourceTransaction } from "../../change-batch.js";
import type { ServerAddress } from "../../config/types.js";
import { sees } from "../../postgres/seen-transactions.js";
import { Lookup } from "../lookup.js";
import { untilSeen } from "../until-seen.js";

/** Looks rows up on the server that a stream comes from. */
export class SourceLookup {
  readonly #server: ServerAddress;
  readonly #lookup: Lookup;

  constructor(server: ServerAddress, open: () => Promise<pg.Client>) {
    this.#server = server;
    this.#lookup = new Lookup(open);
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
