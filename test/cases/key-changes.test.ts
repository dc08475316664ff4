import { beforeAll, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { describeOnServers } from "../support/describe-on-servers.js";
import { large, move, stand } from "../support/move.js";
import type { PlacedTable } from "../support/oracle.js";
import { hashed } from "../support/pipeline.js";

/**
 * Each way in which identity, primary key and sharding key (`owner`) lie to each other. `number` and `code` are unique;
 * a row keeps both modulo 100 whatever they are changed to.
 */
const TABLES: Readonly<Record<string, { readonly key: string; readonly identity?: string }>> = {
  default_inside: { key: "owner, number" },
  default_alone: { key: "owner" },
  default_outside: { key: "number" },
  index_inside: { key: "number", identity: "owner, code" },
  index_outside: { key: "number", identity: "code" },
  index_outside_primary_inside: { key: "owner, number", identity: "code" },
  full_inside: { key: "owner, number", identity: "FULL" },
  full_outside: { key: "number", identity: "FULL" },
};
const ROWS = 10;
const names = Object.keys(TABLES);

const SCHEMA = names
  .map((name) => {
    const { key, identity } = TABLES[name]!;
    const unique = identity === undefined || identity === "FULL" ? "" : `CREATE UNIQUE INDEX ${name}_identity ON ${name} (${identity}); ALTER TABLE ${name} REPLICA IDENTITY USING INDEX ${name}_identity;`;
    return `
      CREATE TABLE ${name} (body text, number bigint NOT NULL, code bigint NOT NULL, owner bigint NOT NULL, title text, extra text, PRIMARY KEY (${key}));
      ${unique}${identity === "FULL" ? `ALTER TABLE ${name} REPLICA IDENTITY FULL;` : ""}`;
  })
  .join("");

const FIRST = names.map((name) => `INSERT INTO ${name} SELECT ${large("i")}, i, i, i, 'first', ${large("-i")} FROM generate_series(0, ${ROWS - 1}) i;`).join("");

const tables = names.map((name): PlacedTable => ({ schema: "public", name, placement: { kind: "hash", column: "owner", type: "bigint" } }));

describeOnServers("case 2: key changes", ({ version, options }) => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startTestCluster(options);
  });

  it("case 2: primary and sharding keys change, in any identity, and unchanged TOAST goes with the row", async () => {
    const scene = await stand({ cluster, name: `keys_${version}`, shards: 3, schema: SCHEMA, rows: FIRST, sharding: { tables: [hashed("owner", "bigint")] }, tables });
    await move(scene, {
      async write(client, round) {
        const at = (step: number): string => `number % 100 = ${(round + step) % ROWS}`;
        const steps = names.flatMap((name) => {
          // Where the owner is the whole key it has to stay unique.
          const owner = name === "default_alone" ? "owner + 100" : `(owner * 7 + ${round}) % 1000`;
          return [
            `UPDATE ${name} SET number = number + 100 WHERE ${at(0)}`,
            `UPDATE ${name} SET owner = ${owner} WHERE ${at(1)}`,
            `UPDATE ${name} SET code = code + 100, title = 'round ${round}' WHERE ${at(2)}`,
            `UPDATE ${name} SET owner = ${owner}, number = number + 100, code = code + 100 WHERE ${at(3)}`,
            `UPDATE ${name} SET owner = ${owner}, extra = ${round % 3 === 0 ? "NULL" : large(String(round))} WHERE ${at(4)}`,
            `UPDATE ${name} SET owner = ${owner}, number = number + 100, body = ${large(String(-round))} WHERE ${at(4)}`,
            // There and back, so that the row ends where it was.
            `UPDATE ${name} SET owner = owner + 100 WHERE ${at(5)}`,
            `UPDATE ${name} SET owner = owner - 100 WHERE ${at(5)}`,
            `DELETE FROM ${name} WHERE ${at(6)}`,
            `INSERT INTO ${name} SELECT ${large(`i + ${round}`)}, i, i, i, 'again', ${large(`-i - ${round}`)} FROM (VALUES (${(round + 6) % ROWS} + 100 * ${round})) AS v (i)`,
          ];
        });
        // All in one transaction, or each in its own.
        if (round % 2 === 0) await client.query(steps.join("; "));
        else for (const step of steps) await client.query(step);
      },
    });
  });
});
