import { rmSync } from "node:fs";
import { type Cluster, initializeCluster, startCluster } from "../embedded/cluster.js";

/** The database of every server. */
export const DEMO_DATABASE = "shop";

/** Where servers that stay up are. The password is that of throw-away servers that listen on 127.0.0.1 alone. */
export interface KeptServers {
  /** Connection URLs with their password. */
  readonly source: string;
  readonly shards: readonly string[];
  /** What the pipeline file takes from the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** A shell command that stops the servers and removes their files. */
  readonly stop: string;
}

/** A source and its shards-to-be, each a server of its own with an empty database. */
export class DemoServers {
  readonly #clusters: Promise<Cluster>[] = [];
  #started: Promise<readonly Cluster[]> | undefined;

  /** @param keep they outlive this process */
  start(shards: number, keep: boolean): Promise<readonly Cluster[]> {
    this.#started = this.#start(shards, keep);
    return this.#started;
  }

  /** Stops what was started, at any moment, and removes its files. */
  async stop(): Promise<void> {
    await this.#started?.catch(() => undefined);
    const clusters = await Promise.allSettled(this.#clusters);
    await Promise.allSettled(clusters.map(async (cluster) => { if (cluster.status === "fulfilled") await cluster.value.stop(); }));
  }

  async #start(shards: number, keep: boolean): Promise<readonly Cluster[]> {
    const template = await initializeCluster();
    try {
      for (let server = 0; server <= shards; server++) this.#clusters.push(startCluster({ template, keep, settings: { max_prepared_transactions: 100 } }));
      await Promise.allSettled(this.#clusters);
      const clusters = await Promise.all(this.#clusters);
      await Promise.all(clusters.map((cluster) => cluster.createDatabase(DEMO_DATABASE)));
      return clusters;
    } finally {
      rmSync(template, { recursive: true, force: true });
    }
  }
}

/** The variables that the demo's pipeline file reads. */
export function demoEnvironment(source: Cluster, shards: readonly Cluster[]): Record<string, string> {
  return {
    DEMO_SOURCE_PORT: String(source.port),
    ...Object.fromEntries(shards.map(({ port }, shard) => [`DEMO_SHARD_${shard}_PORT`, String(port)])),
    DEMO_USER: source.user,
    DEMO_PASSWORD: source.password,
  };
}

/** @param files what goes with the servers when they are stopped, beside their own directories */
export function keptServers(source: Cluster, shards: readonly Cluster[], files: readonly string[]): KeptServers {
  const all = [source, ...shards];
  return {
    source: urlOf(source),
    shards: shards.map(urlOf),
    environment: demoEnvironment(source, shards),
    stop: `kill -QUIT ${all.map(({ pid }) => pid).join(" ")}; sleep 1; rm -rf ${[...all.map(({ directory }) => directory), ...files].join(" ")}`,
  };
}

function urlOf({ user, password, host, port }: Cluster): string {
  return `postgresql://${user}:${password}@${host}:${port}/${DEMO_DATABASE}`;
}
