import { closing } from "../closing.js";
import type { Pipeline } from "../config/types.js";
import { readPublication } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { diffCatalogs } from "../schema/diff-catalogs.js";
import { judgeDifferences, type JudgedDifference } from "../schema/expected-differences.js";
import { readCatalog } from "../schema/read-catalog.js";
import type { Report } from "./events.js";
import { migrationId } from "./migration.js";
import { Sessions } from "./sessions.js";
import { sourceSchemaPlan } from "./source-schema-plan.js";

/** What one shard does not have in common with the source. */
export interface ShardDifferences {
  readonly shard: number;
  /** `host:port/database`. */
  readonly server: string;
  /** How many objects of the source were looked for. */
  readonly objects: number;
  readonly differences: readonly JudgedDifference[];
}

/** Compares the catalog of the source's first shard with that of every shard. Changes nothing anywhere. */
export async function diffSchemas(pipeline: Pipeline, report: Report): Promise<ShardDifferences[]> {
  for (const note of pipeline.notes) report({ type: "note", message: note });
  const sessions = new Sessions(migrationId(pipeline));
  const address = pipeline.from.shards[0]!.primary;
  return await closing(sessions.kept, async () => {
    const { tables } = await sessions.kept.use(address, "monitor", (client) => readPublication(client, pipeline.publication));
    const [source, ...shards] = await Promise.all([address, ...pipeline.to.shards.map(({ primary }) => primary)].map((server) => sessions.kept.use(server, "monitor", readCatalog)));
    const plan = await sourceSchemaPlan(pipeline, sessions, tables, report);
    return pipeline.to.shards.map(({ number, primary }, index) => ({
      shard: number,
      server: displayAddress(primary),
      objects: source!.objects.size,
      differences: judgeDifferences(diffCatalogs(source!, shards[index]!), { plan, source: source!, shard: shards[index]! }),
    }));
  });
}
