import type { ClientFigures, GatewayControls, PoolFigures, RouteFigures, ServerFigures } from "../admin/gateway-controls.js";
import type { ServerAddress } from "../config/types.js";
import type { Gateway } from "../gateway/gateway.js";
import type { ClientRow, PoolRow, ServerRow } from "../gateway/figures.js";
import type { Directory } from "./directory.js";

/** Who holds statements back, as SHOW POOLS names it. */
const MAINTENANCE = "maintenance";
const PAUSE = "pause";

/** What open transactions are given by PAUSE: an operator who types it waits for them, and can give up. */
const FOREVER = { timeout: 2 ** 31 - 1, action: "abort", signal: new AbortController().signal } as const;

/** The gateway as the admin database works it. */
export function gatewayControls(gateway: Gateway, directory: Directory, others: Pick<GatewayControls, "reload" | "routes">): GatewayControls {
  return {
    ...others,
    async maintenance(on, database) {
      if (on) gateway.hold(MAINTENANCE, database);
      else await gateway.release(MAINTENANCE, database);
    },
    pause: (database) => gateway.pause(PAUSE, FOREVER, database),
    resume: (database) => gateway.release(PAUSE, database),
    clients: () => gateway.clientRows().map(clientFigures),
    servers: () => gateway.serverRows().map(serverFigures),
    pools: () => gateway.poolRows().map(poolFigures),
    configuration: () => ({ ...directory.configuration }),
  };
}

/** Routes of a gateway that rehearses nothing. */
export const NO_ROUTES = (): readonly RouteFigures[] => [];

function clientFigures(row: ClientRow): ClientFigures {
  return {
    id: row.id,
    user: row.user,
    database: row.database,
    address: row.addr,
    port: row.port,
    state: row.state,
    stateFor: row.state_ms,
    connectedAt: row.connect_time,
    queries: row.queries,
    transactions: row.transactions,
    bytesReceived: row.bytes_received,
    bytesSent: row.bytes_sent,
    errors: row.errors,
    applicationName: row.application_name,
    secure: row.tls,
  };
}

function serverFigures(row: ServerRow): ServerFigures {
  return { database: row.database, shard: row.shard, address: addressOf(row, row.user), processId: row.remote_pid, client: row.client_id, state: row.state };
}

function poolFigures(row: PoolRow): PoolFigures {
  return { database: row.database, shard: row.shard, address: addressOf(row, ""), clients: row.cl_active + row.cl_idle + row.cl_waiting, waiting: row.cl_waiting, servers: row.servers, paused: row.paused };
}

function addressOf({ addr, port, database_name: database }: ServerRow | PoolRow, user: string): ServerAddress {
  return { host: addr, port, database, user, password: undefined, sslmode: "prefer" };
}
