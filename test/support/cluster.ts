import { tmpdir } from "node:os";
import { inject } from "vitest";
import { type Cluster, type ClusterOptions, startCluster } from "../../src/embedded/cluster.js";
import { atEnd } from "./at-end.js";
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
    settings: { ...SETTINGS, ...(isNewest ? NEWEST_SETTINGS : {}), ...options.settings },
  });
  atEnd(() => cluster.stop());
  return cluster;
}
