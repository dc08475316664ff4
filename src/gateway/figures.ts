import type { ServedClient } from "./served-client.js";
import type { ServedDatabase } from "./served-database.js";

/** A row of SHOW CLIENTS. */
export interface ClientRow {
  /** The process id that the client was told. */
  readonly id: number;
  readonly user: string;
  readonly database: string;
  readonly addr: string;
  readonly port: number;
  /** idle, idle in transaction, active, waiting. */
  readonly state: string;
  readonly state_ms: number;
  readonly application_name: string;
  readonly connect_time: Date;
  readonly tls: boolean;
  readonly transactions: number;
  readonly queries: number;
  readonly errors: number;
  readonly bytes_received: number;
  readonly bytes_sent: number;
}

/** A row of SHOW SERVERS: a session of the gateway on a server. */
export interface ServerRow {
  readonly user: string;
  readonly database: string;
  readonly shard: number;
  readonly addr: string;
  readonly port: number;
  /** The server's own name of its database. */
  readonly database_name: string;
  readonly state: string;
  readonly application_name: string;
  readonly remote_pid: number;
  /** Of the client it is for. */
  readonly client_id: number;
}

/** A row of SHOW POOLS: the sessions on one shard. */
export interface PoolRow {
  readonly database: string;
  readonly shard: number;
  readonly addr: string;
  readonly port: number;
  readonly database_name: string;
  /** Sessions on servers. */
  readonly servers: number;
  readonly cl_active: number;
  readonly cl_idle: number;
  readonly cl_waiting: number;
  /** Nobody may begin a transaction now, and who has it so. */
  readonly paused: boolean;
  readonly paused_by: string;
}

export function clientRow({ client, activity, applicationName }: ServedClient): ClientRow {
  return {
    id: client.processId,
    user: client.user,
    database: client.database,
    addr: client.address ?? "",
    port: client.port ?? 0,
    state: activity.state,
    state_ms: Math.round(activity.stateFor),
    application_name: applicationName,
    connect_time: activity.connectedAt,
    tls: client.secure,
    transactions: activity.transactions,
    queries: activity.queries,
    errors: activity.errors,
    bytes_received: activity.bytesReceived,
    bytes_sent: activity.bytesSent,
  };
}

export function serverRows({ client, servers, activity, applicationName }: ServedClient): ServerRow[] {
  return servers.map(({ address, shard, processId }) => ({
    user: address.user,
    database: client.database,
    shard,
    addr: address.host,
    port: address.port,
    database_name: address.database,
    state: activity.state,
    application_name: applicationName,
    remote_pid: processId,
    client_id: client.processId,
  }));
}

export function poolRows({ name, database, gate, clients }: ServedDatabase): PoolRow[] {
  const states = [...clients].map(({ activity }) => activity.state);
  const count = (...wanted: readonly string[]): number => states.filter((state) => wanted.includes(state)).length;
  const servers = [...clients].flatMap((client) => client.servers);
  return (database?.shards ?? []).map(({ number, primary }) => ({
    database: name,
    shard: number,
    addr: primary.host,
    port: primary.port,
    database_name: primary.database,
    servers: servers.filter(({ address, shard }) => shard === number && address.host === primary.host && address.port === primary.port && address.database === primary.database).length,
    cl_active: count("active", "idle in transaction"),
    cl_idle: count("idle"),
    cl_waiting: count("waiting"),
    paused: gate.held,
    paused_by: gate.holders.join(", "),
  }));
}
