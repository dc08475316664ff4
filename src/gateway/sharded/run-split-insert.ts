import { shardsOf } from "../planning/shards-of.js";
import type { SplitInsertPlan } from "../planning/statement-plan.js";
import { type BoundText, clientText } from "./bind-on-shard.js";
import { failure } from "./failure.js";
import { gatherInOrder } from "./gather-union.js";
import { parametersIn } from "./parameters-in.js";
import type { Portal } from "./prepared-statements.js";
import type { GatherPlan } from "./run-on-several.js";
import type { ShardSession } from "./shard-session.js";
import { TypeOid } from "../../postgres/type-oids.js";

/**
 * For each row of an INSERT the shard that it goes to.
 * @throws WireError 0A000 where a key has no shard
 */
export function shardsOfRows({ rows }: SplitInsertPlan, { parameters }: Portal): number[] {
  return rows.map(({ key }) => {
    const found = shardsOf({ kind: "keys", sets: [key] }, parameters);
    if (found.kind === "shards") return found.shards[0]!;
    throw failure("0A000", found.kind === "unroutable" ? found.reason : "A row's sharding key belongs to different shards.", found.kind === "unroutable" ? { hint: found.remedy } : {});
  });
}

/** How an INSERT is run whose rows belong to several shards: on each with its own rows. */
export function splitGatherPlan(plan: SplitInsertPlan, portal: Portal, sessions: readonly ShardSession[], shardOfRow: readonly number[]): GatherPlan {
  const own = clientText(portal);
  return {
    sessions,
    hidden: 0,
    inTurn: false,
    gather: { kind: "union" },
    bound: ({ shard }) => withoutOthers(plan.textOf(shardOfRow.flatMap((of, row) => (of === shard ? [row] : []))), own),
    ...(plan.returning ? { rowsOf: (parts) => gatherInOrder(parts, shardOfRow) } : {}),
  };
}

/** Parameters that the text does not mention are NULL and of a type that the server need not find out. */
function withoutOthers(text: string, own: BoundText): BoundText {
  const mentioned = parametersIn(text);
  const count = own.values.length;
  if (mentioned.size === count) return { ...own, text, variant: undefined };
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  return {
    text,
    variant: undefined,
    parameterTypes: numbers.map((number) => (mentioned.has(number) ? (own.parameterTypes[number - 1] ?? 0) : TypeOid.text)),
    formats: own.formats.length > 1 ? numbers.map((number) => (mentioned.has(number) ? own.formats[number - 1]! : 0)) : own.formats,
    values: numbers.map((number) => (mentioned.has(number) ? own.values[number - 1]! : null)),
    resultFormats: own.resultFormats,
  };
}
