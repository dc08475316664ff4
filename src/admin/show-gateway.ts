import type { ClientRow, PoolRow, ServerRow } from "../gateway/figures.js";
import { column, type Table, tableOf } from "./answer.js";
import type { RouteFigures } from "./gateway-controls.js";

const CLIENTS = [
  column<ClientRow>("id", "int8", ({ id }) => id),
  column<ClientRow>("user", "text", ({ user }) => user),
  column<ClientRow>("database", "text", ({ database }) => database),
  column<ClientRow>("addr", "text", ({ addr }) => addr),
  column<ClientRow>("port", "int8", ({ port }) => port),
  column<ClientRow>("state", "text", ({ state }) => state),
  column<ClientRow>("connect_time", "timestamptz", ({ connect_time }) => connect_time),
  column<ClientRow>("queries", "int8", ({ queries }) => queries),
  column<ClientRow>("transactions", "int8", ({ transactions }) => transactions),
  column<ClientRow>("bytes_received", "int8", ({ bytes_received }) => bytes_received),
  column<ClientRow>("bytes_sent", "int8", ({ bytes_sent }) => bytes_sent),
  column<ClientRow>("errors", "int8", ({ errors }) => errors),
  column<ClientRow>("application_name", "text", ({ application_name }) => application_name),
  column<ClientRow>("state_ms", "int8", ({ state_ms }) => state_ms),
  column<ClientRow>("tls", "bool", ({ tls }) => tls),
];

const SERVERS = [
  column<ServerRow>("database", "text", ({ database }) => database),
  column<ServerRow>("user", "text", ({ user }) => user),
  column<ServerRow>("state", "text", ({ state }) => state),
  column<ServerRow>("addr", "text", ({ addr }) => addr),
  column<ServerRow>("port", "int8", ({ port }) => port),
  column<ServerRow>("remote_pid", "int8", ({ remote_pid }) => remote_pid),
  column<ServerRow>("shard", "int8", ({ shard }) => shard),
  column<ServerRow>("server_database", "text", ({ database_name }) => database_name),
  column<ServerRow>("client_id", "int8", ({ client_id }) => client_id),
];

const POOLS = [
  column<PoolRow>("database", "text", ({ database }) => database),
  column<PoolRow>("user", "text", () => ""),
  column<PoolRow>("addr", "text", ({ addr }) => addr),
  column<PoolRow>("port", "int8", ({ port }) => port),
  column<PoolRow>("shard", "int8", ({ shard }) => shard),
  column<PoolRow>("role", "text", () => "primary"),
  column<PoolRow>("cl_waiting", "int8", ({ cl_waiting }) => cl_waiting),
  column<PoolRow>("sv_total", "int8", ({ servers }) => servers),
  column<PoolRow>("pool_mode", "text", () => "session"),
  column<PoolRow>("paused", "bool", ({ paused }) => paused),
  column<PoolRow>("cl_total", "int8", ({ cl_active, cl_idle, cl_waiting }) => cl_active + cl_idle + cl_waiting),
  column<PoolRow>("paused_by", "text", ({ paused_by }) => paused_by),
  column<PoolRow>("server_database", "text", ({ database_name }) => database_name),
];

const ROUTES = [
  column<RouteFigures>("database", "text", ({ database }) => database),
  column<RouteFigures>("future", "text", ({ future }) => future),
  column<RouteFigures>("calls", "int8", ({ calls }) => calls),
  column<RouteFigures>("statement", "text", ({ statement }) => statement),
  column<RouteFigures>("reason", "text", ({ reason }) => reason),
];

export function showClients(clients: readonly ClientRow[]): Table {
  return tableOf(CLIENTS, clients);
}

export function showServers(servers: readonly ServerRow[]): Table {
  return tableOf(SERVERS, servers);
}

export function showPools(pools: readonly PoolRow[]): Table {
  return tableOf(POOLS, pools);
}

/** SHOW ROUTES: what would be refused first, then by calls. */
export function showRoutes(routes: readonly RouteFigures[]): Table {
  const isRefused = ({ future }: RouteFigures): number => (future === "refused" ? 0 : 1);
  return tableOf(ROUTES, [...routes].sort((a, b) => isRefused(a) - isRefused(b) || b.calls - a.calls));
}
