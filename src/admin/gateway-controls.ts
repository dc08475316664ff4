import type { ClientRow, PoolRow, ServerRow } from "../gateway/figures.js";

/** A statement that was seen, without its constants, and where it goes once the database is sharded. */
export interface RouteFigures {
  readonly database: string;
  readonly statement: string;
  readonly calls: number;
  /** `one shard`, `all shards`, `omnisharded`, `refused`. */
  readonly future: string;
  /** Why it is refused, and what to change. */
  readonly reason: string | undefined;
}

/** What the admin database does with the gateway. A database that is not named means all. */
export interface GatewayControls {
  maintenance(on: boolean, database: string | undefined): Promise<void>;
  pause(database: string | undefined): Promise<void>;
  resume(database: string | undefined): Promise<void>;
  /** Reads the configuration files anew; answers with what the operator should know. */
  reload(): Promise<readonly string[]>;
  clients(): readonly ClientRow[];
  servers(): readonly ServerRow[];
  pools(): readonly PoolRow[];
  routes(): readonly RouteFigures[] | Promise<readonly RouteFigures[]>;
  /** The configuration in force, by section; secrets may be in it, SHOW CONFIG masks them. */
  configuration(): Readonly<Record<string, unknown>>;
}
