import { column, type Table, tableOf } from "./answer.js";
import type { ClientFigures, PoolFigures, RouteFigures, ServerFigures } from "./gateway-controls.js";

const CLIENTS = [
  column<ClientFigures>("id", "int8", ({ id }) => id),
  column<ClientFigures>("user", "text", ({ user }) => user),
  column<ClientFigures>("database", "text", ({ database }) => database),
  column<ClientFigures>("addr", "text", ({ address }) => address),
  column<ClientFigures>("port", "int8", ({ port }) => port),
  column<ClientFigures>("state", "text", ({ state }) => state),
  column<ClientFigures>("connect_time", "timestamptz", ({ connectedAt }) => connectedAt),
  column<ClientFigures>("queries", "int8", ({ queries }) => queries),
  column<ClientFigures>("transactions", "int8", ({ transactions }) => transactions),
  column<ClientFigures>("bytes_received", "int8", ({ bytesReceived }) => bytesReceived),
  column<ClientFigures>("bytes_sent", "int8", ({ bytesSent }) => bytesSent),
  column<ClientFigures>("errors", "int8", ({ errors }) => errors),
  column<ClientFigures>("application_name", "text", ({ applicationName }) => applicationName),
  column<ClientFigures>("state_ms", "int8", ({ stateFor }) => Math.round(stateFor)),
  column<ClientFigures>("tls", "bool", ({ secure }) => secure),
];

const SERVERS = [
  column<ServerFigures>("database", "text", ({ database }) => database),
  column<ServerFigures>("user", "text", ({ address }) => address.user),
  column<ServerFigures>("state", "text", ({ state }) => state),
  column<ServerFigures>("addr", "text", ({ address }) => address.host),
  column<ServerFigures>("port", "int8", ({ address }) => address.port),
  column<ServerFigures>("remote_pid", "int8", ({ processId }) => processId),
  column<ServerFigures>("shard", "int8", ({ shard }) => shard),
  column<ServerFigures>("server_database", "text", ({ address }) => address.database),
  column<ServerFigures>("client_id", "int8", ({ client }) => client),
];

const POOLS = [
  column<PoolFigures>("database", "text", ({ database }) => database),
  column<PoolFigures>("user", "text", ({ address }) => address.user),
  column<PoolFigures>("addr", "text", ({ address }) => address.host),
  column<PoolFigures>("port", "int8", ({ address }) => address.port),
  column<PoolFigures>("shard", "int8", ({ shard }) => shard),
  column<PoolFigures>("role", "text", () => "primary"),
  column<PoolFigures>("cl_waiting", "int8", ({ waiting }) => waiting),
  column<PoolFigures>("sv_total", "int8", ({ servers }) => servers),
  column<PoolFigures>("pool_mode", "text", () => "session"),
  column<PoolFigures>("paused", "bool", ({ paused }) => paused),
  column<PoolFigures>("cl_total", "int8", ({ clients }) => clients),
  column<PoolFigures>("server_database", "text", ({ address }) => address.database),
];

const ROUTES = [
  column<RouteFigures>("database", "text", ({ database }) => database),
  column<RouteFigures>("future", "text", ({ future }) => future),
  column<RouteFigures>("calls", "int8", ({ calls }) => calls),
  column<RouteFigures>("statement", "text", ({ statement }) => statement),
  column<RouteFigures>("reason", "text", ({ reason }) => reason),
];

export function showClients(clients: readonly ClientFigures[]): Table {
  return tableOf(CLIENTS, clients);
}

export function showServers(servers: readonly ServerFigures[]): Table {
  return tableOf(SERVERS, servers);
}

export function showPools(pools: readonly PoolFigures[]): Table {
  return tableOf(POOLS, pools);
}

/** SHOW ROUTES: what would be refused first, then by calls. */
export function showRoutes(routes: readonly RouteFigures[]): Table {
  const isRefused = ({ future }: RouteFigures): number => (future === "refused" ? 0 : 1);
  return tableOf(ROUTES, [...routes].sort((a, b) => isRefused(a) - isRefused(b) || b.calls - a.calls));
}
