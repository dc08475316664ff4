import type { ShardedCatalog } from "./sharded-catalog.js";
import type { Told } from "./told-shard.js";

/** What a statement is planned with. */
export interface PlanningContext {
  readonly catalog: ShardedCatalog;
  /** Of the session; see `searchPathOf`. */
  readonly searchPath: readonly string[];
  /** What the session said with SET pgdog.shard or pgdog.sharding_key; a statement's own comment comes before it. */
  readonly told?: Told;
}
