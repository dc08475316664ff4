import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { fileURLToPath } from "node:url";
import pg from "pg";
import type { Database, ServerAddress } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { Gateway, type GatewayOptions } from "../../src/gateway/gateway.js";
import { acceptClient, type AcceptOptions } from "../../src/wire/accept-client.js";
import { atEnd } from "./at-end.js";

/** Self-signed, for localhost and 127.0.0.1. Made for these tests, of use nowhere else. */
export const TLS = {
  certificate: readFileSync(new URL("tls/certificate.pem", import.meta.url)),
  key: readFileSync(new URL("tls/key.pem", import.meta.url)),
};
/** Signed by that one, for localhost by name only. */
export const LOCALHOST_TLS = {
  certificate: readFileSync(new URL("tls/localhost-certificate.pem", import.meta.url)),
  key: readFileSync(new URL("tls/localhost-key.pem", import.meta.url)),
};
/** Of TLS, as NODE_EXTRA_CA_CERTS wants it. */
export const AUTHORITY = fileURLToPath(new URL("tls/certificate.pem", import.meta.url));

/** What clients of the tests' gateways know. */
export const USER = "app";
export const PASSWORD = "correct horse, béttery";

export interface TestGateway {
  readonly gateway: Gateway;
  readonly port: number;
  /** A node-postgres client that is connected; closed with the gateway. */
  connect(options?: pg.ClientConfig): Promise<pg.Client>;
  /** How many connections have been let in or refused. */
  readonly accepted: number;
}

export interface TestGatewayOptions extends Partial<Omit<GatewayOptions, "databases">> {
  readonly accept?: Partial<AcceptOptions>;
}

export function secureContext(): SecureContext {
  return createSecureContext({ cert: TLS.certificate, key: TLS.key });
}

export function addressOf(cluster: Cluster, database: string): ServerAddress {
  return { host: cluster.host, port: cluster.port, database, user: cluster.user, password: cluster.password, sslmode: "disable" };
}

/** A database of the gateway with a shard in each of these. */
export function databaseOn(name: string, ...shards: readonly ServerAddress[]): Database {
  return { name, shards: shards.map((primary, number) => ({ number, primary, replicas: [] })), sharding: { tables: [], schemas: [], omnisharded: [] } };
}

/** A gateway that listens; closed after the file's tests. At the servers everybody logs in as the shard's own user. */
export async function startGateway(databases: readonly Database[], options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { accept, ...rest } = options;
  const gateway = new Gateway({
    databases,
    addressesFor: (_client, { shards }) => shards.map(({ primary }) => primary),
    shardedSession: () => {
      throw new Error("no database here has several shards");
    },
    maxClients: 0,
    clientIdleTimeout: 0,
    queryTimeout: 0,
    connectTimeout: 10_000,
    onStatement: undefined,
    ...rest,
  });
  let accepted = 0;
  const server = createServer((socket) => {
    void acceptClient(socket, {
      method: "scram-sha-256",
      passwordsOf: (user) => (user === USER ? [PASSWORD] : undefined),
      tls: undefined,
      requireTls: false,
      loginTimeout: 60_000,
      ...accept,
    }).then(async (client) => {
      accepted += 1;
      if (client.kind === "client") await gateway.serve(client.session);
      if (client.kind === "cancel") {
        await gateway.cancel(client.processId, client.secretKey);
        await client.stream.end();
      }
    });
  });
  const port = await listen(server);
  const clients = new Set<pg.Client>();
  atEnd(async () => {
    await Promise.allSettled([...clients].map((client) => client.end()));
    await gateway.close();
    server.close();
  });
  return {
    gateway,
    port,
    get accepted() {
      return accepted;
    },
    async connect(config = {}) {
      const client = new pg.Client({ host: "127.0.0.1", port, user: USER, password: PASSWORD, database: databases[0]?.name ?? "none", ...config });
      client.on("error", () => undefined);
      client.on("end", () => clients.delete(client));
      await client.connect();
      clients.add(client);
      return client;
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
