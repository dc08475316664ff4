import type { Database } from "../config/types.js";
import type { BackendSessionFactory } from "../gateway/backend-session.js";
import { WireError } from "../wire/wire-error.js";
import type { ServeEvent } from "./serve-event.js";

export class ShardedDatabases {
  constructor(_twoPhaseCommit: boolean, _report: (event: ServeEvent) => void) {}
  readonly session: BackendSessionFactory = () => {
    throw new WireError("0A000", "sharded databases are not served yet", { severity: "FATAL" });
  };
  async recover(_databases: readonly Database[]): Promise<void> {
    await Promise.resolve();
  }
  async close(): Promise<void> {
    await Promise.resolve();
  }
}
