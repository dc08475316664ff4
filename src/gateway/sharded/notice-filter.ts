import { parseErrorFields } from "../../wire/backend-messages.js";
import type { Message } from "../../wire/message.js";

/** Of the notices that shards give for one statement: those that the client has not had from another shard. */
export class NoticeFilter {
  /** How often each was heard: from each shard, and at most from one. */
  readonly #heard = new Map<string, { most: number; readonly byShard: Map<number, number> }>();

  /** A new statement begins. */
  clear(): void {
    this.#heard.clear();
  }

  isNew(shard: number, message: Message): boolean {
    const fields = parseErrorFields(message);
    const text = `${fields.get("V") ?? ""} ${fields.get("C") ?? ""} ${fields.get("M") ?? ""}`;
    const heard = this.#heard.get(text) ?? { most: 0, byShard: new Map<number, number>() };
    this.#heard.set(text, heard);
    const times = (heard.byShard.get(shard) ?? 0) + 1;
    heard.byShard.set(shard, times);
    if (times <= heard.most) return false;
    heard.most = times;
    return true;
  }
}
