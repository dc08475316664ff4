import { tmpdir } from "node:os";
import { inject } from "vitest";
import { type Cluster, type ClusterOptions, startCluster } from "../../src/embedded/cluster.js";
import { atEnd } from "./at-end.js";
import { moment } from "./moment.js";
import { servers } from "./servers.js";

/** For servers of gigabytes: their files are not kept in memory, where others' may be. */
export const ON_DISK: ClusterOptions = { folder: tmpdir() };

/** Nothing that runs by itself: tests are over before it would be of use. */
const SETTINGS = { autovacuum: "off", jit: "off", max_logical_replication_workers: 0, wal_init_zero: "off", wal_recycle: "off" };
/** PostgreSQL 18 starts three processes for reading otherwise. */
const NEWEST_SETTINGS = { io_method: "sync" };

/**
 * A server for the tests of one file, gone after them. Several databases of one server are the shards of most tests;
 * start a second server only where the test is about servers.
 *
 * @param options with `binaries` other than those of `servers`: a server with an identifier of its own
 */
export async function startTestCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const isNewest = options.binaries === undefined;
  const isOldest = servers.some((server) => server.options.binaries !== undefined && server.options.binaries.directory === options.binaries?.directory);
  const template = isNewest ? inject("clusterTemplate") : isOldest ? inject("oldestClusterTemplate") : undefined;
  const cluster = await startCluster({
    folder: inject("clusterFolder"),
    ...options,
    ...(template === undefined ? {} : { template }),
    // What is asked of passwords has tests of its own; elsewhere each login would do the same hashing again.
    logins: options.logins ?? "trust",
    settings: { ...SETTINGS, ...(isNewest ? NEWEST_SETTINGS : {}), ...options.settings },
  });
  atEnd(() => cluster.stop());
  return cluster;
}

/** Lets a server speak TLS, from the next connection on. Its files are written by itself, so that they are its user's. */
export async function offerTls(cluster: Cluster, { certificate, key }: { readonly certificate: Buffer; readonly key: Buffer }): Promise<void> {
  const admin = await cluster.connect();
  const files = { certificate: `${cluster.directory}/data/test.crt`, key: `${cluster.directory}/data/test.key` };
  await admin.query(`COPY (SELECT line FROM unnest(string_to_array($$${certificate.toString().trim()}$$, E'\\n')) AS line) TO '${files.certificate}'`);
  await admin.query(`COPY (SELECT line FROM unnest(string_to_array($$${key.toString().trim()}$$, E'\\n')) AS line) TO PROGRAM 'umask 077; cat > ${files.key}'`);
  const before = (await admin.query<{ at: string }>("SELECT pg_conf_load_time()::text AS at")).rows[0]!.at;
  await admin.query(`ALTER SYSTEM SET ssl_cert_file = '${files.certificate}'`);
  await admin.query(`ALTER SYSTEM SET ssl_key_file = '${files.key}'`);
  await admin.query("ALTER SYSTEM SET ssl = on");
  await admin.query("SELECT pg_reload_conf()");
  while ((await admin.query<{ loaded: boolean }>("SELECT current_setting('ssl')::bool AND pg_conf_load_time()::text <> $1 AS loaded", [before])).rows.every(({ loaded }) => !loaded)) await moment();
  await admin.end();
}
