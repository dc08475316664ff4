import { bindMessage, describeMessage, parseMessage } from "../../wire/frontend-messages.js";
import { Backend } from "../../wire/message.js";
import type { Portal } from "./prepared-statements.js";
import type { ShardSession } from "./shard-session.js";

/** What is bound: the client's text, or another one in its place. */
export interface BoundText {
  readonly text: string;
  /** What kind of another one: each has a name of its own on the shard. Undefined: it is not kept there. */
  readonly variant: "as-it-is" | "for-several" | undefined;
  readonly parameterTypes: readonly number[];
  readonly formats: readonly number[];
  readonly values: readonly (Buffer | null)[];
  readonly resultFormats: readonly number[];
}

/** The client's own statement. */
export function clientParse({ text, parameterTypes }: Portal["prepared"]): Pick<BoundText, "text" | "variant" | "parameterTypes"> {
  return { text, variant: "as-it-is", parameterTypes };
}

/** The client's own statement, with its parameters. */
export function clientText({ prepared, bind }: Portal): BoundText {
  return { ...clientParse(prepared), formats: bind.formats, values: bind.values, resultFormats: bind.resultFormats };
}

/** What a statement is called on shards; "" where it is not kept. */
export function nameOnShards(prepared: Portal["prepared"], variant: BoundText["variant"]): string {
  if (!prepared.named || variant === undefined) return "";
  return variant === "as-it-is" ? `reshard_${prepared.id}` : `reshard_${prepared.id}s`;
}

/** Queues Parse, where the shard does not know the statement; true if it did. */
export function queueParse(session: ShardSession, prepared: Portal["prepared"], bound: Pick<BoundText, "text" | "variant" | "parameterTypes">): boolean {
  const name = nameOnShards(prepared, bound.variant);
  if (name !== "" && session.prepared.has(name)) return false;
  if (name !== "") session.beginPreparing(name);
  session.queue(parseMessage({ name, text: bound.text, parameterTypes: session.types.toShard(bound.parameterTypes) }));
  return true;
}

/** ParseComplete, where `queueParse` has queued it. */
export async function expectParse(session: ShardSession, prepared: Portal["prepared"], variant: BoundText["variant"], queued: boolean): Promise<void> {
  if (!queued) return;
  await session.expect(Backend.parseComplete);
  const name = nameOnShards(prepared, variant);
  if (name !== "") session.endPreparing(name);
}

/** To be called one after the other for the answers, after `sync`. */
export interface BindAnswers {
  readonly parsed: () => Promise<void>;
  readonly bound: () => Promise<void>;
}

/** Queues all that makes the portal on the shard. */
export function queueBind(session: ShardSession, portal: Portal, text: BoundText, describe: boolean): BindAnswers {
  const parsed = queueParse(session, portal.prepared, text);
  const { formats, values, resultFormats } = text;
  session.queue(bindMessage({ portal: portal.name, statement: nameOnShards(portal.prepared, text.variant), formats, values, resultFormats }));
  if (describe) session.queue(describeMessage({ kind: "portal", name: portal.name }));
  return {
    parsed: () => expectParse(session, portal.prepared, text.variant, parsed),
    bound: async () => {
      await session.expect(Backend.bindComplete);
    },
  };
}
