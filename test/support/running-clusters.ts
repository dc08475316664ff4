import type { Cluster } from "../../src/embedded/cluster.js";

/** Servers of the test file under way, wherever in it they were started. */
const running = new Set<Cluster>();

/** `stop-clusters.ts` stops it after the file's tests. */
export function stopAfterFile(cluster: Cluster): void {
  running.add(cluster);
}

export async function stopRunningClusters(): Promise<void> {
  const clusters = [...running];
  running.clear();
  await Promise.all(clusters.map((cluster) => cluster.stop()));
}
