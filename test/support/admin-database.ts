import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import pg from "pg";
import { onTestFinished } from "vitest";
import { serveAdmin } from "../../src/admin/admin-session.js";
import type { GatewayControls } from "../../src/admin/gateway-controls.js";
import { TaskManager, type TaskWorld } from "../../src/admin/task-manager.js";
import { acceptClient } from "../../src/wire/accept-client.js";

/** The admin database on a port of its own, as `serve` would have it. */
export interface AdminDatabase {
  readonly port: number;
  readonly tasks: TaskManager;
  /** node-postgres, logged in. */
  connect(options?: pg.ClientConfig): Promise<pg.Client>;
  /** Ends clients and tasks, as a process does that ends in order. */
  close(): Promise<void>;
}

export const ADMIN = { user: "admin", password: "hunter2", database: "admin" };

/** Nobody is connected to it; what it was told is in `calls`. */
export function idleGateway(configuration: Readonly<Record<string, unknown>> = {}): GatewayControls & { readonly calls: string[] } {
  const calls: string[] = [];
  const call = (text: string): Promise<void> => {
    calls.push(text);
    return Promise.resolve();
  };
  return {
    calls,
    maintenance: (on, database) => call(`maintenance ${on ? "on" : "off"} ${database ?? "all"}`),
    pause: (database) => call(`pause ${database ?? "all"}`),
    resume: (database) => call(`resume ${database ?? "all"}`),
    async reload() {
      await call("reload");
      return ["one thing changed"];
    },
    clients: () => [],
    servers: () => [],
    pools: () => [],
    routes: () => [{ database: "prod", statement: "SELECT $1", calls: 5, future: "one shard", reason: undefined }, { database: "prod", statement: "SELECT 2", calls: 1, future: "refused", reason: "it is" }],
    configuration: () => configuration,
  };
}

/** Starts it; without a world it has no databases. Closed after the test at the latest. */
export async function startAdmin(world?: TaskWorld, gateway: GatewayControls = idleGateway()): Promise<AdminDatabase> {
  const nothing = (): never => {
    throw new Error("no databases");
  };
  const tasks = new TaskManager(world ?? { databases: () => [], pipelineFor: nothing, trafficOf: nothing });
  await tasks.start();
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    void (async () => {
      const accepted = await acceptClient(socket, { method: "scram-sha-256", passwordsOf: (user) => (user === ADMIN.user ? [ADMIN.password] : undefined), tls: undefined, requireTls: false, loginTimeout: 30_000 });
      if (accepted.kind === "client") await serveAdmin(accepted.session, { tasks, gateway, version: "0.1.0" });
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= (async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await tasks.close();
  })());
  onTestFinished(close);
  return {
    port,
    tasks,
    close,
    async connect(options = {}) {
      const client = new pg.Client({ host: "127.0.0.1", port, ...ADMIN, ...options });
      client.on("error", () => undefined);
      await client.connect();
      return client;
    },
  };
}
