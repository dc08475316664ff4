import { shardsOf } from "../planning/shards-of.js";
import type { CopyInPlan, RoutedPlan } from "../planning/statement-plan.js";
import { failure } from "./failure.js";
import type { Portal } from "./prepared-statements.js";
import type { SessionCore } from "./session-core.js";

/**
 * The shards that a statement goes to, by its parameters.
 * @throws WireError 0A000 where a key has no shard, or its shards have none in common
 */
export function resolveShards(core: SessionCore, { where, gather }: Pick<RoutedPlan, "where" | "gather">, { parameters }: Pick<Portal, "parameters">): readonly number[] {
  const shards = shardsOfWhere(core, where, parameters);
  if (shards.length > 1 && gather.kind === "one-shard-only") throw failure("0A000", gather.reason, { hint: gather.remedy });
  return shards;
}

function shardsOfWhere(core: SessionCore, where: RoutedPlan["where"], parameters: Portal["parameters"]): readonly number[] {
  switch (where.kind) {
    case "any":
      return [core.anyShard()];
    case "first":
      return [0];
    case "every":
      return core.everyShard;
    case "fixed":
      return [where.shard];
    case "cursor":
      // One that is not known to the gateway is to the first shard neither, which says so.
      return [core.cursors.get(where.name)?.shard ?? core.statements.portal(where.name)?.shards[0] ?? 0];
    case "keys": {
      const found = shardsOf(where, parameters);
      if (found.kind === "unroutable") throw failure("0A000", found.reason, { hint: found.remedy });
      if (found.kind === "apart") throw failure("0A000", "The statement's sharding keys belong to different shards.", { hint: "Send one statement for each sharding key." });
      return found.shards;
    }
  }
}

/** The shards that a COPY FROM goes to. */
export function shardsOfCopy(core: SessionCore, { where }: CopyInPlan): readonly number[] {
  switch (where.kind) {
    case "any":
      return [core.anyShard()];
    case "fixed":
      return [where.shard];
    case "every":
    case "key":
      return core.everyShard;
  }
}
