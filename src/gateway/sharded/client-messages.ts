import type { Message } from "../../wire/message.js";
import type { MessageStream } from "../../wire/message-stream.js";
import type { ClientActivity } from "../client-activity.js";

/** What the client sends, with a look at the next message. */
export class ClientMessages {
  readonly #stream: MessageStream;
  readonly #activity: ClientActivity;
  #next: Message | undefined;

  constructor(stream: MessageStream, activity: ClientActivity) {
    this.#stream = stream;
    this.#activity = activity;
  }

  /** The next message, which stays the next. Undefined: the client is gone, or `interrupt` was called (`ended` tells). */
  async peek(): Promise<Message | undefined> {
    this.#next ??= this.#stream.take() ?? (await this.#stream.read());
    return this.#next;
  }

  /** The next message if it is here already. */
  take(): Message | undefined {
    const message = this.#next ?? this.#stream.take();
    this.#next = undefined;
    if (message !== undefined) this.#activity.bytesReceived += message.bytes.length;
    return message;
  }

  /** The client is gone: there is nothing but what has come already. */
  get ended(): boolean {
    return this.#stream.ended;
  }

  /** Whoever waits for a message is answered with undefined. */
  interrupt(): void {
    this.#stream.interrupt();
  }

  /** Puts back what was looked at, for whoever reads the stream next. */
  giveBack(): void {
    if (this.#next !== undefined) this.#stream.unread(this.#next.bytes);
    this.#next = undefined;
  }
}
