import type { FieldDescription } from "../../wire/backend-messages.js";
import type { SessionRows } from "./session-rows.js";
import type { GatheredRows } from "./shard-rows.js";

/** Several shards' answer to one statement, as the client gets it. */
export interface GatheredAnswer {
  /** Undefined where there are no rows by nature. */
  readonly fields: readonly FieldDescription[] | undefined;
  readonly rows: GatheredRows;
  /** What the rows come from. */
  readonly parts: readonly SessionRows[];
  /** The command's tag, once all rows were taken; `given` of them went to the client by this execution. */
  tag(given: bigint): string;
}
