import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { loadPipelineFile } from "../../src/config/load.js";
import { STANDARD_STAGES } from "../../src/config/stages.js";
import { demoPipelineToml } from "../../src/demo/pipeline-toml.js";
import { shopTables } from "../../src/demo/shop-tables.js";

interface Parsed {
  databases: { name: string; shard: number; port: string }[];
  sharded_tables: { schema?: string; name?: string; column: string; data_type: string }[];
}

const example = fileURLToPath(new URL("../../examples/demo.toml", import.meta.url));

describe("demoPipelineToml", () => {
  it("is examples/demo.toml for two shards", () => {
    expect(readFileSync(example, "utf8")).toBe(demoPipelineToml(2));
  });

  it("is a pipeline file whose servers come from the environment", () => {
    const environment = { DEMO_SOURCE_PORT: "5001", DEMO_SHARD_0_PORT: "5002", DEMO_SHARD_1_PORT: "5003", DEMO_PASSWORD: "s€cret" };
    const pipeline = loadPipelineFile(example, environment);
    const servers = [...pipeline.from.shards, ...pipeline.to.shards].map(({ primary }) => primary);
    expect(servers).toEqual(
      [5001, 5002, 5003].map((port) => ({ host: "127.0.0.1", port, database: "shop", user: "postgres", password: "s€cret", sslmode: "prefer" })),
    );
    expect(pipeline.publication).toBe("demo");
    expect(pipeline.stages).toEqual(STANDARD_STAGES);
    expect(() => loadPipelineFile(example, {})).toThrow(/DEMO_SOURCE_PORT/);
  });

  it.each([1, 2, 7])("names one source and %i shards, each with its own port", (shards) => {
    const { databases } = parse(demoPipelineToml(shards)) as unknown as Parsed;
    expect(databases.filter(({ name }) => name === "shop").map(({ port }) => port)).toEqual(["${DEMO_SOURCE_PORT}"]);
    expect(databases.filter(({ name }) => name === "shop_sharded").map(({ shard, port }) => [shard, port])).toEqual(
      Array.from({ length: shards }, (_, shard) => [shard, `\${DEMO_SHARD_${shard}_PORT}`]),
    );
  });

  it("has a rule for every table with a sharding key", () => {
    const rules = (parse(demoPipelineToml(2)) as unknown as Parsed).sharded_tables;
    const ruled = shopTables.map((table) => {
      const rule = rules.find(({ schema, name }) => schema === table.schema && name === table.name);
      const general = rules.find(({ name, column }) => name === undefined && column === table.keyColumn);
      return (rule ?? general)?.column;
    });
    expect(ruled).toEqual(shopTables.map(({ keyColumn }) => keyColumn));
    const types = new Map(shopTables.map(({ name, kind }) => [name, kind === "text" ? "varchar" : kind]));
    for (const rule of rules) expect(rule.data_type).toBe(rule.name === undefined ? "bigint" : types.get(rule.name));
  });
});
