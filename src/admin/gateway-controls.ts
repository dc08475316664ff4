import type { ServerAddress } from "../config/types.js";

/** A client that is connected. */
export interface ClientFigures {
  /** Its process id, as the protocol has it. */
  readonly id: number;
  readonly user: string;
  readonly database: string;
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly state: string;
  /** Milliseconds that it has been in this state. */
  readonly stateFor: number;
  readonly connectedAt: Date;
  readonly queries: number;
  readonly transactions: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly errors: number;
  readonly applicationName: string;
  /** TLS. */
  readonly secure: boolean;
}

/** A session on a server. */
export interface ServerFigures {
  readonly database: string;
  readonly shard: number;
  readonly address: ServerAddress;
  /** The server's process. */
  readonly processId: number;
  /** Of the client that it is for. */
  readonly client: number;
  readonly state: string;
}

/** A database's shard, and how busy it is. */
export interface PoolFigures {
  readonly database: string;
  readonly shard: number;
  readonly address: ServerAddress;
  readonly clients: number;
  /** Clients whose statements are held back. */
  readonly waiting: number;
  readonly servers: number;
  readonly paused: boolean;
}

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
  clients(): readonly ClientFigures[];
  servers(): readonly ServerFigures[];
  pools(): readonly PoolFigures[];
  routes(): readonly RouteFigures[] | Promise<readonly RouteFigures[]>;
  /** The configuration in force, by section; secrets may be in it, SHOW CONFIG masks them. */
  configuration(): Readonly<Record<string, unknown>>;
}
