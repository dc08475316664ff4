import { tokenAt } from "../../postgres/sql-tokens.js";
import type { Obstacle } from "./distribution.js";
import { keyBytesOfText } from "./key-bytes.js";
import type { ShardedCatalog } from "./sharded-catalog.js";
import type { Where } from "./statement-plan.js";

/** What a client says of where a statement goes: in a comment, or with SET pgdog.shard and pgdog.sharding_key. */
export interface Told {
  readonly name: "shard" | "sharding_key";
  readonly value: string;
}

const DIRECTIVE = /\bpgdog_(shard|sharding_key):\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))/;

/** The first such directive in a comment of the statement. */
export function toldInComment(text: string): Told | undefined {
  if (!text.includes("pgdog_shard")) return undefined;
  for (let at = 0; at < text.length; ) {
    const { end, kind } = tokenAt(text, at);
    const match = kind === "comment" ? DIRECTIVE.exec(text.slice(at, end)) : null;
    if (match !== null) return { name: match[1] === "shard" ? "shard" : "sharding_key", value: match[2] ?? match[3] ?? match[4] ?? "" };
    at = end;
  }
  return undefined;
}

/** The shard that is meant. */
export function toldWhere(told: Told, catalog: ShardedCatalog): Where | Obstacle {
  if (told.name === "shard") {
    const shard = /^\d{1,9}$/.test(told.value) ? Number(told.value) : catalog.shards;
    if (shard < catalog.shards) return { kind: "fixed", shard };
    return { reason: `There is no shard ${told.value}.`, remedy: `Say one from 0 to ${catalog.shards - 1}.` };
  }
  // A number is one to an integer key, a uuid to a uuid key; else it is text.
  for (const dataType of ["bigint", "uuid", "varchar"] as const) {
    const rules = catalog.keyRules.filter((rule) => rule.dataType === dataType);
    const bytes = keyBytesOfText(dataType, told.value);
    if (rules.length === 0 || bytes === undefined) continue;
    if (rules.length > 1) return { reason: `Several sharding rules have keys of the type ${dataType}: which one the key is meant for cannot be told.`, remedy: "Say the shard instead: /* pgdog_shard: 0 */." };
    return { kind: "keys", sets: [{ shardOf: rules[0]!.shardOf, dataType, values: [{ kind: "constant", bytes }], stored: false }] };
  }
  return { reason: "No sharding rule has keys of the type of the key that the comment gives.", remedy: "Say the shard instead: /* pgdog_shard: 0 */." };
}
