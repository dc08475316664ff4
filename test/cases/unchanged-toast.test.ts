import { beforeAll, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { describeOnServers } from "../support/describe-on-servers.js";
import { large, move, stand } from "../support/move.js";
import type { PlacedTable } from "../support/oracle.js";
import { hashed } from "../support/pipeline.js";

/** The large columns stand before, between and behind the others. */
const COLUMNS = "a text, id bigint, b text, c text, owner bigint NOT NULL, short text, d text, name varchar";
const LARGE = ["a", "b", "c", "d"] as const;

const SCHEMA = `
  CREATE TABLE by_key (${COLUMNS}, PRIMARY KEY (owner, id));
  CREATE TABLE beside (${COLUMNS}, PRIMARY KEY (id));
  CREATE TABLE whole (${COLUMNS}, PRIMARY KEY (id));
  ALTER TABLE whole REPLICA IDENTITY FULL;
  CREATE TABLE anywhere (${COLUMNS}, PRIMARY KEY (id));
  -- The key itself lies outside the row.
  CREATE TABLE large_key (${COLUMNS}, url text, PRIMARY KEY (id, url));
  CREATE TABLE by_large_key (${COLUMNS}, url text PRIMARY KEY);`;
const NAMES = ["by_key", "beside", "whole", "anywhere", "large_key", "by_large_key"];

const tables = NAMES.map((name): PlacedTable => ({
  schema: "public",
  name,
  placement: name === "anywhere" ? { kind: "everywhere" } : name === "by_large_key" ? { kind: "hash", column: "url", type: "text" } : { kind: "hash", column: "owner", type: "bigint" },
}));

/** Of a row's url: an index takes up to 2700 bytes, a value is stored outside where the row has more than 2000. */
const url = (seed: string): string => large(`'url ' || ${seed}`, 2100);

function insert(name: string, id: number): string {
  const values = `${large(`${id}`)}, ${id}, ${id % 4 === 0 ? "NULL" : large(`-${id}`)}, ${id % 3 === 0 ? "'short'" : large(`${id} + 7`)}, ${id}, 'first', ${large(`${id} + 9`)}, 'name'`;
  return `INSERT INTO ${name} VALUES (${values}${name.endsWith("large_key") ? `, ${url(String(id))}` : ""})`;
}

describeOnServers("case 3: unchanged TOAST", ({ version, options }) => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startTestCluster(options);
  });

  it("case 3: unchanged TOAST in any mix of columns, also of rows inserted in the same transaction", async () => {
    const scene = await stand({
      cluster,
      name: `toast_${version}`,
      shards: 3,
      schema: SCHEMA,
      rows: NAMES.flatMap((name) => Array.from({ length: 16 }, (_, id) => insert(name, id))).join("; "),
      sharding: { tables: [hashed("url", "varchar", { name: "by_large_key" }), hashed("owner", "bigint")], omnisharded: ["anywhere"] },
      tables,
    });
    await move(scene, {
      async write(client, round) {
        // Every set of the large columns in turn, on a row that is there and on one that this round inserts.
        const steps = NAMES.flatMap((name) => {
          const added = 16 * round + 16;
          const changes = Array.from({ length: 16 }, (_, set) => {
            const values = [large(`${set} + ${round}`), "'short'", "NULL"];
            const assignments = LARGE.filter((_, column) => ((set >> column) & 1) === 1).map((column, index) => `${column} = ${values[(set + index + round) % 3]!}`);
            const others = [`short = 'round ${round}.${set}'`, ...(set % 5 === 0 ? [`owner = owner + ${set + round}`] : []), ...(set % 7 === 6 ? ["name = NULL"] : [])];
            const of = set % 2 === 0 ? (set + round) % 16 : added;
            return `UPDATE ${name} SET ${[...assignments, ...others].join(", ")} WHERE id = ${of}`;
          });
          return [insert(name, added), ...changes, `DELETE FROM ${name} WHERE id = ${16 * (round - 1) + 16} AND ${round} > 1`, ...(name.endsWith("large_key") ? [`UPDATE ${name} SET url = ${url(`-${round}`)} WHERE id = ${round % 16}`] : [])];
        });
        if (round % 3 === 0) for (const step of steps) await client.query(step);
        else await client.query(steps.join("; "));
      },
    });
  });
});
