import type { TransactionStatus } from "../wire/backend-messages.js";
import { Backend, Frontend } from "../wire/message.js";

/**
 * What of a client's messages its server has not answered yet, known by the messages' types alone.
 *
 * Query, FunctionCall and Sync are answered with one ReadyForQuery each; what comes before a Sync belongs to it. While a
 * COPY takes data the server overlooks Sync (CopyGetData, commands/copyfromparse.c), and clients send one before they know.
 */
export class CycleTracker {
  #status: TransactionStatus = "I";
  /** Messages that ReadyForQuery will answer, in order: Query or Sync; and where CopyDone or CopyFail stood between them. */
  #awaited: number[] = [];
  /** Messages of the extended protocol were sent, and no Sync yet. */
  #opened = false;
  /** A COPY takes data. */
  #copyIn = false;

  get status(): TransactionStatus {
    return this.#status;
  }

  /** All that was sent has been answered. */
  get settled(): boolean {
    return this.#awaited.length === 0 && !this.#opened;
  }

  /** Settled, and no transaction is open. */
  get idle(): boolean {
    return this.#status === "I" && this.settled;
  }

  /** The server has something to do, or has to be told more by the client: it will not answer by itself. */
  get waitsForClient(): boolean {
    return this.#copyIn || (this.#opened && this.#awaited.length === 0);
  }

  /** The next message would not belong to one before: the last was Query or Sync. */
  get atCycleStart(): boolean {
    return !this.#opened && !this.#copyIn;
  }

  /** Data of a COPY that has failed, and Flush, are not answered: with nothing in flight they begin nothing. */
  static begins(type: number): boolean {
    return type !== Frontend.copyData && type !== Frontend.copyDone && type !== Frontend.copyFail && type !== Frontend.flush && type !== Frontend.terminate;
  }

  /** The client sent a message of this type. */
  sent(type: number): void {
    switch (type) {
      case Frontend.query:
      case Frontend.functionCall:
        this.#awaited.push(Frontend.query);
        break;
      case Frontend.sync:
        if (this.#copyIn) break;
        this.#awaited.push(Frontend.sync);
        this.#opened = false;
        break;
      case Frontend.copyDone:
      case Frontend.copyFail:
        if (this.#copyIn) this.#copyIn = false;
        else if (!this.settled && this.#awaited.at(-1) !== Frontend.copyDone) this.#awaited.push(Frontend.copyDone);
        break;
      case Frontend.parse:
      case Frontend.bind:
      case Frontend.describe:
      case Frontend.execute:
      case Frontend.close:
        // In the middle of a COPY it is an error, by which the COPY ends.
        if (!this.#copyIn) this.#opened = true;
        break;
      default:
    }
  }

  /** The server sent a message of this type; ReadyForQuery with its status. */
  heard(type: number, status: TransactionStatus = "I"): void {
    if (type === Backend.readyForQuery) {
      this.#status = status;
      this.#copyIn = false;
      while (this.#awaited[0] === Frontend.copyDone) this.#awaited.shift();
      this.#awaited.shift();
    } else if (type === Backend.copyInResponse) this.#beginCopy();
    else if (type === Backend.errorResponse) this.#copyIn = false;
  }

  #beginCopy(): void {
    const simple = this.#awaited[0] === Frontend.query;
    const first = simple ? 1 : 0;
    const done = this.#awaited.indexOf(Frontend.copyDone);
    // Syncs that stand before the end of the data are overlooked.
    this.#awaited.splice(first, (done < 0 ? this.#awaited.length : done + 1) - first);
    this.#copyIn = done < 0;
    if (!simple && this.#awaited.length === 0) this.#opened = true;
  }
}
