import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import { serveAdmin } from "../admin/admin-session.js";
import { TaskManager, type TaskWorld } from "../admin/task-manager.js";
import type { ServeConfiguration, ServeFiles } from "../config/serve.js";
import type { Environment } from "../config/environment.js";
import type { Database, Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { Gateway } from "../gateway/gateway.js";
import { GatewayTraffic } from "../gateway/gateway-traffic.js";
import { DEFAULT_RECOVERY_INTERVAL } from "../gateway/sharded/sharded-database.js";
import { ShardedDatabases } from "../gateway/sharded/sharded-databases.js";
import { configuredTraffic } from "../pipelines/configured-traffic.js";
import type { Traffic } from "../pipelines/traffic.js";
import { reasonOf } from "../postgres/server-errors.js";
import type { ClientSession } from "../wire/accept-client.js";
import type { AuthenticationMethod } from "../wire/authenticate-client.js";
import { Directory } from "./directory.js";
import { gatewayControls } from "./gateway-controls.js";
import { listen } from "./listen.js";
import { Rehearsals } from "./rehearsals.js";
import type { ServeEvent } from "./serve-event.js";

export interface ServeOptions {
  readonly files: ServeFiles;
  readonly environment: Environment;
  /** Of pg-reshard. */
  readonly version: string;
  readonly report: (event: ServeEvent) => void;
}

/** A gateway with its admin database, at work. */
export interface Serving {
  readonly host: string;
  readonly port: number;
  /** Lets nobody in, stops tasks where the next process goes on, and ends all sessions. */
  close(): Promise<void>;
}

/**
 * Serves applications and operators on one port, and goes on with the tasks that a former process left.
 *
 * Fails with a ConfigurationError, ROUTING_FILE_BROKEN, TLS_FILE_UNREADABLE or CANNOT_LISTEN.
 */
export async function serve({ files, environment, version, report }: ServeOptions): Promise<Serving> {
  const directory = new Directory(files, environment);
  const { configuration } = directory;
  for (const message of configuration.notes) report({ type: "note", message });
  const rehearsals = new Rehearsals(() => directory.databases, () => directory.configuration.rehearsals, (message) => { report({ type: "note", message }); });
  rehearsals.start();
  const sharded = new ShardedDatabases(() => ({
    twoPhaseCommit: directory.configuration.twoPhaseCommit,
    deadlockTimeout: directory.configuration.limits.crossShardLockTimeout,
    recoveryInterval: DEFAULT_RECOVERY_INTERVAL,
    onError: (database, error) => { report({ type: "note", message: `${database}: ${reasonOf(error)}` }); },
  }));
  /** Catalogs are read before clients need them; one that cannot be is told of, and read when a client comes. */
  const startSharded = async (databases: readonly Database[]): Promise<void> => {
    await Promise.all(databases.filter(({ shards }) => shards.length > 1).map(async (database) => {
      await sharded.start(database).catch((error: unknown) => { report({ type: "note", message: `${database.name}: ${reasonOf(error)}` }); });
    }));
  };
  const gateway = new Gateway({
    databases: directory.databases,
    addressesFor: (client, database) => directory.addressesFor(client.user, database),
    shardedSession: sharded.session,
    maxClients: configuration.limits.maxClients,
    clientIdleTimeout: configuration.limits.idleTimeout,
    queryTimeout: configuration.limits.queryTimeout,
    connectTimeout: configuration.limits.loginTimeout,
    onStatement: (database, text) => { rehearsals.observe(database, text); },
  });
  const trafficOf = (pipeline: Pipeline): Traffic => {
    if (pipeline.cutover.traffic.kind !== "gateway") return configuredTraffic(pipeline);
    const [source, destination] = directory.namesOf(pipeline);
    return new GatewayTraffic(gateway, source, destination, {
      async warnings() {
        await startSharded(directory.prepareSwitch(pipeline));
        return rehearsals.warnings(source);
      },
      async switch() {
        // What shards make their keys by has changed since.
        const databases = directory.prepareSwitch(pipeline).filter(({ shards }) => shards.length > 1);
        await Promise.all(databases.map(async (database) => { await (await sharded.start(database)).readCatalog(); }));
        for (const message of directory.switch(pipeline)) report({ type: "note", message });
        gateway.replaceDatabases(directory.databases);
        await sharded.retain(directory.databases);
      },
      inCharge: () => Promise.resolve(directory.inCharge(pipeline)),
    });
  };
  const world: TaskWorld = {
    databases: () => directory.databases,
    pipelineFor: (names) => {
      const pipeline = directory.pipelineFor(names);
      rehearsals.prepare(names.source, names.destination);
      return pipeline;
    },
    trafficOf,
    report: (task, event) => { report({ type: "task", id: task.id, event }); },
  };
  const tasks = new TaskManager(world);
  const controls = gatewayControls(gateway, directory, {
    routes: () => rehearsals.routes(),
    async reload() {
      directory.reload();
      gateway.replaceDatabases(directory.databases);
      rehearsals.start();
      await startSharded(directory.databases);
      await sharded.retain(directory.databases);
      return directory.configuration.notes;
    },
  });
  const isAdmin = (database: string): boolean => database === directory.configuration.admin.name;
  const listener = await listen({
    host: configuration.host,
    port: configuration.port,
    method: METHODS[configuration.authentication],
    tls: secureContext(configuration),
    requireTls: false,
    loginTimeout: configuration.limits.loginTimeout,
    passwordsOf(user, database) {
      if (isAdmin(database)) {
        const { admin } = directory.configuration;
        return user === admin.user && admin.password !== undefined ? [admin.password] : undefined;
      }
      const clients = directory.clientsOf(database).filter((client) => client.user === user);
      return clients.length === 0 ? undefined : clients.flatMap(({ passwords }) => passwords);
    },
    async onClient(session: ClientSession) {
      if (isAdmin(session.database)) await serveAdmin(session, { tasks, gateway: controls, version });
      else await gateway.serve(session);
    },
    onCancel: (processId, secretKey) => gateway.cancel(processId, secretKey),
    onRefused: (error, address) => { report({ type: "client-refused", address, code: error.sqlState, message: error.message }); },
  });
  report({ type: "listening", host: configuration.host, port: listener.port, admin: configuration.admin.name, databases: directory.databases.map(({ name, shards }) => ({ name, shards: shards.length })) });
  await startSharded(directory.databases);
  await tasks.start();
  return {
    host: configuration.host,
    port: listener.port,
    async close() {
      await listener.close();
      await tasks.close();
      await gateway.close();
      await sharded.retain([]);
    },
  };
}

const METHODS: Readonly<Record<ServeConfiguration["authentication"], AuthenticationMethod>> = { scram: "scram-sha-256", plain: "password", trust: "trust" };

function secureContext({ tls }: ServeConfiguration): SecureContext | undefined {
  if (tls === undefined) return undefined;
  try {
    return createSecureContext({ cert: readFileSync(tls.certificate), key: readFileSync(tls.privateKey), minVersion: "TLSv1.2" });
  } catch (cause) {
    throw new ReshardError("TLS_FILE_UNREADABLE", `TLS cannot be offered: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      remedy: "Correct tls_certificate and tls_private_key in [general]: PEM files that this process may read and that belong together.",
      cause,
    });
  }
}
