import type { Pipeline } from "../../src/config/types.js";
import { loadPipelineFile } from "../../src/config/load.js";
import { demoPipelineToml } from "../../src/demo/pipeline-toml.js";
import { shopTables } from "../../src/demo/shop-tables.js";
import type { PlacedTable } from "./oracle.js";
import { addressOf, makePipeline, type Place } from "./pipeline.js";

/** The shop's tables and where their rows belong. */
export const shopPlacements: readonly PlacedTable[] = shopTables.map(({ schema, name, kind, keyColumn }) => ({
  schema,
  name,
  placement: kind === "omnisharded" ? { kind: "everywhere" } : { kind: "hash", column: keyColumn!, type: kind },
}));

/** The demo's own pipeline file for as many shards, with these databases in place of its own. */
export function shopPipeline(source: Place, shards: readonly Place[], parts: { readonly stages?: Pipeline["stages"]; readonly general?: Partial<Pipeline["general"]> } = {}): Pipeline {
  const ports = Object.fromEntries(shards.map((_, shard) => [`DEMO_SHARD_${shard}_PORT`, String(5432 + shard)]));
  const demo = loadPipelineFile("demo.toml", { DEMO_SOURCE_PORT: "5431", DEMO_PASSWORD: source.cluster.password, ...ports }, () => Buffer.from(demoPipelineToml(shards.length)));
  return makePipeline({
    from: addressOf(source),
    to: shards.map((shard) => addressOf(shard)),
    publication: demo.publication,
    sharding: demo.to.sharding,
    stages: demo.stages,
    ...parts,
  });
}

/** New databases for the shards of one migration. */
export async function newShards(cluster: Place["cluster"], prefix: string, count: number): Promise<Place[]> {
  const places = Array.from({ length: count }, (_, shard) => ({ cluster, database: `${prefix}_${shard}` }));
  for (const { database } of places) await cluster.createDatabase(database);
  return places;
}
