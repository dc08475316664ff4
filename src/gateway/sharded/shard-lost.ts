import { displayAddress } from "../../postgres/connection.js";
import { WireError } from "../../wire/wire-error.js";
import type { ServerInUse } from "../backend-session.js";

/** What a client is told when the session on one of its shards is over, which ends its own. */
export function shardLost({ shard, address }: ServerInUse, cause: unknown): WireError {
  const reason = cause instanceof WireError ? `: ${cause.message}` : "";
  return new WireError(cause instanceof WireError && cause.sqlState.startsWith("57P") ? cause.sqlState : "08006", `shard ${shard} (${displayAddress(address)}) has closed the connection${reason}`, {
    severity: "FATAL",
    detail: "What was not committed is rolled back on all shards.",
    hint: "Connect again and repeat the transaction.",
    cause,
  });
}
