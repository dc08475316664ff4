import { parseCommandComplete } from "../../wire/backend-messages.js";
import { executeMessage } from "../../wire/frontend-messages.js";
import { Backend, type Message } from "../../wire/message.js";
import type { ShardRows } from "./shard-rows.js";
import type { ShardSession } from "./shard-session.js";

/** The rows of a portal that is being executed on a shard. */
export class SessionRows implements ShardRows {
  /** CommandComplete's, once the last row was read; empty of an empty query. */
  tag = "";
  readonly #session: ShardSession;
  #portal: string | undefined;
  /** Rows at a time. */
  #atOnce = 0;
  /** Rows that were read to get them out of the way. */
  #parked: Message[] = [];
  #ended = false;

  constructor(session: ShardSession) {
    this.#session = session;
  }

  /**
   * The portal is asked for so many rows at a time, so that the shard can be used for other things in between. Without
   * this all rows come in one answer.
   */
  inPortions(portal: string, atOnce: number): this {
    this.#portal = portal;
    this.#atOnce = atOnce;
    return this;
  }

  get shard(): number {
    return this.#session.shard;
  }

  async next(): Promise<Message | undefined> {
    const parked = this.#parked.shift();
    if (parked !== undefined) return parked;
    while (!this.#ended) {
      if (!this.#session.busy) await this.#more();
      const message = this.#session.take(Backend.dataRow) ?? (await this.#session.next());
      if (message.type === Backend.dataRow) return message;
      await this.#hear(message);
    }
    return undefined;
  }

  /** Reads the portion that is under way, so that the shard is free: a client may not come back for long. */
  async park(): Promise<void> {
    if (this.#portal === undefined) return;
    while (!this.#ended && this.#session.busy) {
      const message = await this.#session.next();
      // Of the buffer that it came in nothing else is needed.
      if (message.type === Backend.dataRow) this.#parked.push({ type: message.type, bytes: Buffer.from(message.bytes) });
      else await this.#hear(message);
    }
  }

  /** Reads on to the end, for the tag. */
  async skip(): Promise<void> {
    this.#parked = [];
    while (!this.#ended) {
      if (!this.#session.busy) await this.#more();
      const message = await this.#session.next();
      if (message.type !== Backend.dataRow) await this.#hear(message);
    }
  }

  async #hear(message: Message): Promise<void> {
    switch (message.type) {
      case Backend.commandComplete:
        this.tag = parseCommandComplete(message);
        this.#ended = true;
        break;
      case Backend.emptyQueryResponse:
        this.#ended = true;
        break;
      case Backend.portalSuspended: {
        const failure = await this.#session.finish();
        if (failure !== undefined) throw failure;
        break;
      }
      default:
    }
  }

  async #more(): Promise<void> {
    this.#session.queue(executeMessage({ portal: this.#portal ?? "", maxRows: this.#atOnce }));
    await this.#session.sync();
  }
}
