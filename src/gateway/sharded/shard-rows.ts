import type { Message } from "../../wire/message.js";

/** One shard's answer to a statement, row by row. Nothing is read ahead: while nobody asks, the shard is held back. */
export interface ShardRows {
  readonly shard: number;
  /**
   * The next DataRow, undefined after the last.
   *
   * Fails with the shard's error as a WireError.
   */
  next(): Promise<Message | undefined>;
}

/** Rows for the client, as whole DataRow messages. */
export type GatheredRows = AsyncGenerator<Buffer, void, undefined>;
