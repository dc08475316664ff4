import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { shopSchema } from "../../src/demo/shop-schema.js";
import { shopTables } from "../../src/demo/shop-tables.js";
import { startTestCluster } from "../support/cluster.js";

let client: pg.Client;

beforeAll(async () => {
  client = await (await startTestCluster()).connect();
  await client.query(shopSchema);
});

describe("shopSchema", () => {
  it("publishes exactly the tables of shopTables, each with a primary key", async () => {
    const { rows } = await client.query<{ schema: string; name: string; keys: number }>(
      `SELECT schemaname AS schema, tablename AS name, (SELECT count(*)::integer FROM pg_index
         WHERE indrelid = format('%I.%I', schemaname, tablename)::regclass AND indisprimary) AS keys
       FROM pg_publication_tables WHERE pubname = 'demo'`,
    );
    const sorted = (names: string[]): string[] => [...names].sort();
    expect(sorted(rows.map(({ schema, name }) => `${schema}.${name}`))).toEqual(sorted(shopTables.map(({ schema, name }) => `${schema}.${name}`)));
    expect(rows.every(({ keys }) => keys === 1)).toBe(true);
  });

  it("has sharding keys of the types that shopTables says, and none may be null", async () => {
    for (const { schema, name, kind, keyColumn } of shopTables) {
      if (keyColumn === undefined) {
        expect(kind).toBe("omnisharded");
        continue;
      }
      const { rows } = await client.query(
        `SELECT format_type(atttypid, NULL) AS type, attnotnull FROM pg_attribute WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass AND attname = $3`,
        [schema, name, keyColumn],
      );
      expect(rows).toEqual([{ type: kind, attnotnull: true }]);
    }
  });

  it("has foreign keys that hold on every shard by themselves", async () => {
    const { rows } = await client.query<{ child: string; parent: string; pairs: [string, string][] }>(
      `SELECT array_to_string(ARRAY[cn.nspname, c.relname], '.') AS child, array_to_string(ARRAY[pn.nspname, p.relname], '.') AS parent,
         (SELECT json_agg(json_build_array(ca.attname, pa.attname)) FROM unnest(conkey, confkey) AS k (child, parent)
           JOIN pg_attribute ca ON ca.attrelid = c.oid AND ca.attnum = k.child JOIN pg_attribute pa ON pa.attrelid = p.oid AND pa.attnum = k.parent) AS pairs
       FROM pg_constraint f JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
       JOIN pg_class p ON p.oid = confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE contype = 'f'`,
    );
    const keyOf = (table: string) => shopTables.find(({ schema, name }) => `${schema}.${name}` === table)?.keyColumn;
    expect(rows.length).toBeGreaterThan(10);
    for (const { child, parent, pairs } of rows) {
      if (keyOf(parent) === undefined) continue;
      expect(pairs, `${child} refers to ${parent}`).toContainEqual([keyOf(child), keyOf(parent)]);
    }
  });

  it("has what makes resharding hard", async () => {
    const { rows } = await client.query(`
      SELECT
        (SELECT count(*) > 0 FROM pg_attribute WHERE attgenerated = 's') AS generated,
        (SELECT array_agg(DISTINCT attidentity::text ORDER BY attidentity::text) FROM pg_attribute WHERE attidentity <> '') AS identities,
        (SELECT array_agg(DISTINCT typtype::text ORDER BY typtype::text) FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
          JOIN pg_class c ON c.oid = attrelid WHERE relkind = 'r' AND typtype IN ('e', 'd') AND relnamespace::regnamespace::text IN ('public', 'crm')) AS own_types,
        (SELECT count(*) > 0 FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE attstorage = 'e' AND atttypid = 'text'::regtype AND relkind = 'r') AS external,
        (SELECT count(*) > 0 FROM pg_trigger WHERE NOT tgisinternal) AS triggers,
        (SELECT count(*) > 0 FROM pg_views WHERE schemaname = 'public') AS views,
        (SELECT count(*) > 0 FROM pg_index i JOIN pg_class c ON c.oid = indrelid WHERE indisprimary
          AND indnatts = (SELECT count(*) FROM pg_attribute WHERE attrelid = indrelid AND attnum > 0) AND relname = 'user_tags') AS all_in_key
    `);
    expect(rows).toEqual([{ generated: true, identities: ["a", "d"], own_types: ["d", "e"], external: true, triggers: true, views: true, all_in_key: true }]);
  });
});
