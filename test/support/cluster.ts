import { afterAll, inject } from "vitest";
import { type Cluster, type ClusterOptions, startCluster } from "../../src/embedded/cluster.js";

/**
 * A server for the tests of one file, gone after them. Several databases of one server are the shards of most tests;
 * start a second server only where the test is about servers.
 */
export async function startTestCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await startCluster(options.binaries === undefined ? { template: inject("clusterTemplate"), ...options } : options);
  afterAll(async () => {
    await cluster.stop();
  });
  return cluster;
}
