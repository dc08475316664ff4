import { beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { describeOnServers } from "../support/describe-on-servers.js";
import { large, move, stand } from "../support/move.js";
import { differences, type PlacedTable } from "../support/oracle.js";
import { eventsOf, hashed, runToEnd } from "../support/pipeline.js";

const byOwner = (...names: readonly string[]): PlacedTable[] => names.map((name) => ({ schema: "public", name, placement: { kind: "hash", column: "owner", type: "bigint" } }));
const everywhere = (...names: readonly string[]): PlacedTable[] => names.map((name) => ({ schema: "public", name, placement: { kind: "everywhere" } }));
const sharding = { tables: [hashed("owner", "bigint")] };

const COLUMNS = "id bigint NOT NULL, kind text, owner bigint NOT NULL, at date NOT NULL, body text";

/** Partitions whose columns stand in another order, with another identity, as large as a tree's is deep. */
const SCHEMA = `
  CREATE TABLE by_hash (${COLUMNS}, PRIMARY KEY (id)) PARTITION BY HASH (id);
  CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
  CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
  CREATE TABLE by_hash_2 (body text, gone integer, at date NOT NULL, owner bigint NOT NULL, kind text, id bigint NOT NULL);
  ALTER TABLE by_hash_2 DROP gone;
  ALTER TABLE by_hash ATTACH PARTITION by_hash_2 FOR VALUES WITH (MODULUS 3, REMAINDER 2);

  CREATE TABLE by_range (${COLUMNS}, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE by_range_old PARTITION OF by_range FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
  CREATE TABLE by_range_20 PARTITION OF by_range FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
  CREATE TABLE by_range_rest PARTITION OF by_range DEFAULT;

  -- Lists within ranges within lists.
  CREATE TABLE deep (${COLUMNS}, PRIMARY KEY (owner, id, at, kind)) PARTITION BY LIST (kind);
  CREATE TABLE deep_a PARTITION OF deep FOR VALUES IN ('a') PARTITION BY RANGE (at);
  CREATE TABLE deep_a_old PARTITION OF deep_a FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
  CREATE TABLE deep_a_new PARTITION OF deep_a FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) PARTITION BY HASH (id);
  CREATE TABLE deep_a_new_0 PARTITION OF deep_a_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE deep_a_new_1 PARTITION OF deep_a_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE deep_b (at date NOT NULL, body text, kind text NOT NULL, owner bigint NOT NULL, id bigint NOT NULL);
  ALTER TABLE deep ATTACH PARTITION deep_b FOR VALUES IN ('b', 'c');
  CREATE TABLE deep_rest PARTITION OF deep DEFAULT;
  -- A partition's identity is its own, whatever its root's is.
  ALTER TABLE deep_b REPLICA IDENTITY FULL;
  ALTER TABLE by_range_20 REPLICA IDENTITY FULL;

  CREATE TABLE codes (id bigint, kind text, body text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
  CREATE TABLE codes_a PARTITION OF codes FOR VALUES IN ('a');
  CREATE TABLE codes_rest PARTITION OF codes DEFAULT;

  -- Inheritance: the same keys in parent and children.
  CREATE TABLE animals (id bigint PRIMARY KEY, owner bigint NOT NULL, body text, kind text);
  CREATE TABLE birds (wings integer, PRIMARY KEY (id)) INHERITS (animals);
  CREATE TABLE owls (night boolean, PRIMARY KEY (id)) INHERITS (birds);`;

const ROOTS = ["by_hash", "by_range", "deep"];
const HEIRS = ["animals", "birds", "owls"];
const LEAVES = ["by_hash_0", "by_hash_1", "by_hash_2", "by_range_old", "by_range_20", "by_range_rest", "deep_a_old", "deep_a_new_0", "deep_a_new_1", "deep_b", "deep_rest"];

const KINDS = ["a", "b", "c", "d"];
const kind = (round: number): string => `'${KINDS[round % KINDS.length]!}'`;
const at = (round: number): string => `'${2018 + (round % 5)}-03-01'`;

const FIRST = [
  ...ROOTS.map((name) => `INSERT INTO ${name} (id, kind, owner, at, body) SELECT i, chr(97 + i % 4), i, '2018-01-01'::date + i * 30, ${large("i")} FROM generate_series(1, 60) i`),
  ...HEIRS.map((name) => `INSERT INTO ${name} (id, owner, body, kind) SELECT i, i * ${name.length}, ${large(`i || '${name}'`)}, '${name}' FROM generate_series(1, 40) i`),
  `INSERT INTO codes SELECT i, chr(97 + i % 3), ${large("i")} FROM generate_series(1, 30) i`,
].join("; ");

function changes(round: number): string[] {
  const rows = (step: number): string => `id % 20 = ${(round + step) % 20}`;
  return [
    ...ROOTS.flatMap((name) => [
      `INSERT INTO ${name} (id, kind, owner, at, body) VALUES (${1000 + round}, ${kind(round)}, ${round}, ${at(round)}, ${large(`${round}`)})`,
      // From partition to partition, from shard to shard, both at once, neither.
      `UPDATE ${name} SET kind = ${kind(round + 1)}, at = at + 200 WHERE ${rows(0)}`,
      `UPDATE ${name} SET owner = owner + 1 WHERE ${rows(3)}`,
      `UPDATE ${name} SET owner = owner + 1, kind = ${kind(round + 2)}, at = at - 400 WHERE ${rows(6)}`,
      `UPDATE ${name} SET body = ${large(`-${round}`)} WHERE ${rows(9)}`,
      `UPDATE ${name} SET id = id + 100000, at = ${at(round)} WHERE ${rows(12)}`,
      `UPDATE ${name} SET at = at WHERE ${rows(13)}`,
      `DELETE FROM ${name} WHERE id % 100000 = ${960 + round}`,
    ]),
    ...HEIRS.flatMap((name) => [
      `INSERT INTO ${name} (id, owner, body, kind) VALUES (${1000 + round}, ${round * name.length}, ${large(`${round}`)}, '${name}')`,
      `UPDATE ONLY ${name} SET owner = owner + 1 WHERE ${rows(0)}`,
      `UPDATE ONLY ${name} SET id = id + 100000, owner = owner + 1 WHERE ${rows(3)}`,
      `DELETE FROM ONLY ${name} WHERE id % 100000 = ${960 + round}`,
    ]),
    // Reaches into the children too.
    `UPDATE animals SET kind = 'round ${round}' WHERE ${rows(9)}`,
    `DELETE FROM animals WHERE id % 100000 = ${970 + round}`,
    `INSERT INTO codes VALUES (${1000 + round}, ${kind(round)}, ${large(`${round}`)}); UPDATE codes SET kind = ${kind(round)} || kind WHERE ${rows(0)}; DELETE FROM codes WHERE id = ${960 + round}`,
  ];
}

describeOnServers("case 7: partitions and inheritance", ({ version, options }) => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startTestCluster(options);
  });

  it.each([false, true])("case 7: partitioned tables of every kind, of several levels, and inheritance children; publish_via_partition_root = %s", async (viaRoot) => {
    const scene = await stand({
      cluster,
      name: `partitions_${version}_${viaRoot}`,
      shards: 3,
      schema: SCHEMA,
      rows: FIRST,
      publication: `FOR ALL TABLES WITH (publish_via_partition_root = ${viaRoot})`,
      sharding,
      tables: [...byOwner(...LEAVES, ...HEIRS), ...everywhere("codes_a", "codes_rest")],
    });
    const run = await move(scene, {
      async write(client, round) {
        if (round % 2 === 0) await client.query(changes(round).join("; "));
        else for (const change of changes(round)) await client.query(change);
        // Of a root: with all its partitions. Of a parent: with all its children, or alone.
        if (round % 7 === 3) await client.query("TRUNCATE by_hash, codes");
        if (round % 7 === 5) await client.query("TRUNCATE ONLY birds; TRUNCATE deep");
        if (round % 11 === 6) await client.query("TRUNCATE animals");
        // Of a partition: only where partitions are what is published.
        if (!viaRoot && round % 7 === 6) await client.query("TRUNCATE by_range_20, deep_a_new");
      },
      async last(client) {
        await client.query(`TRUNCATE ${[...ROOTS, "codes", "animals"].join(", ")}; ${FIRST}; ${changes(8).join("; ")}`);
      },
    });
    expect(run.verdicts.map(({ table }) => table)).toEqual((viaRoot ? [...ROOTS, ...HEIRS, "codes"] : [...LEAVES, ...HEIRS, "codes_a", "codes_rest"]).sort());
  });

  it.each([false, true])("case 7: a partition attached while changes are streamed stops the stream until the shards have it; publish_via_partition_root = %s", async (viaRoot) => {
    const scene = await stand({
      cluster,
      name: `attached_${version}_${viaRoot}`,
      schema: `
        CREATE TABLE days (id bigint, owner bigint NOT NULL, at date, body text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2020-01-01') TO ('2020-01-02');
        CREATE TABLE other (id bigint PRIMARY KEY, owner bigint NOT NULL);`,
      rows: `INSERT INTO days SELECT i, i, '2020-01-01', ${large("i")} FROM generate_series(1, 30) i; INSERT INTO other SELECT i, i FROM generate_series(1, 30) i`,
      publication: `FOR ALL TABLES WITH (publish_via_partition_root = ${viaRoot})`,
      sharding,
      tables: byOwner("days_1", "days_2", "other"),
    });
    const attach = `
      CREATE TABLE days_2 (body text, at date NOT NULL, owner bigint NOT NULL, id bigint NOT NULL, PRIMARY KEY (id, at));
      ALTER TABLE days ATTACH PARTITION days_2 FOR VALUES FROM ('2020-01-02') TO ('2020-01-03')`;
    const added = "INSERT INTO other VALUES (100, 1); INSERT INTO days VALUES (100, 1, '2020-01-02', 'new'); UPDATE days SET at = '2020-01-02', owner = owner + 1 WHERE id % 3 = 0; DELETE FROM other WHERE id % 3 = 1";
    const stopped = runToEnd(scene.pipeline, {
      async beforeStage(stage) {
        if (stage.type === "replicate") await scene.client.query(`${attach}; ${added}`);
      },
    });
    await expect(stopped).rejects.toMatchObject(viaRoot ? { code: "PARTITION_MISSING", message: expect.stringContaining("days") as string } : { code: "SCHEMA_CHANGED", message: expect.stringContaining("days_2") as string });
    // Again, as long as the shards do not have it.
    await expect(runToEnd(scene.pipeline)).rejects.toMatchObject({ code: viaRoot ? "PARTITION_MISSING" : "SCHEMA_DIFFERS" });
    await scene.client.query("UPDATE days SET body = 'later', owner = owner + 5 WHERE id % 2 = 0");
    for (const { database } of scene.shards) {
      const shard = await cluster.connect(database);
      await shard.query(attach);
      await shard.end();
    }
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    // Or the run does that itself.
    const carried = await runToEnd({ ...scene.pipeline, onDdl: "apply" }, {
      async beforeStage(stage) {
        if (stage.type === "replicate") await scene.client.query("CREATE TABLE days_3 PARTITION OF days FOR VALUES FROM ('2020-01-03') TO ('2020-01-04'); INSERT INTO days VALUES (300, 1, '2020-01-03', 'newer'); UPDATE days SET at = '2020-01-03' WHERE id % 5 = 0");
      },
    });
    expect(carried.sound).toBe(true);
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    expect(await differences(scene.source, scene.shards, [...scene.scene.tables, ...byOwner("days_3")])).toEqual([]);
  });

  it("case 7: what publish_via_partition_root does not send is said beforehand, and verify finds it", async () => {
    const scene = await stand({
      cluster,
      name: `unsent_${version}`,
      schema: `
        CREATE TABLE days (id bigint, owner bigint NOT NULL, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2020-01-01') TO ('2020-01-02');
        CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2020-01-02') TO ('2020-01-03');`,
      rows: "INSERT INTO days SELECT i, i, '2020-01-01'::date + i % 2 FROM generate_series(1, 30) i",
      publication: "FOR ALL TABLES WITH (publish_via_partition_root)",
      sharding,
      tables: byOwner("days_1", "days_2"),
    });
    const run = await runToEnd(scene.pipeline, {
      async beforeStage(stage) {
        if (stage.type === "replicate") await scene.client.query("TRUNCATE days_1");
      },
    });
    expect(eventsOf(run.events, "note").map(({ message }) => message)).toContainEqual(expect.stringMatching(/^days: published as a whole .*TRUNCATE of a single partition/));
    expect(run.verdicts).toMatchObject([{ table: "days", equal: false, sourceRows: 15 }]);
    expect(run.sound).toBe(false);
  });

  it("case 7: partitions that say less of old rows than their root are refused, all at once", async () => {
    const scene = await stand({
      cluster,
      name: `identities_${version}`,
      schema: `
        CREATE TABLE whole (id bigint PRIMARY KEY, owner bigint NOT NULL) PARTITION BY HASH (id);
        CREATE TABLE whole_0 PARTITION OF whole FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE whole_1 PARTITION OF whole FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        ALTER TABLE whole REPLICA IDENTITY FULL; ALTER TABLE whole_0 REPLICA IDENTITY FULL;
        CREATE TABLE indexed (id bigint PRIMARY KEY, owner bigint NOT NULL, code text NOT NULL) PARTITION BY HASH (id);
        CREATE TABLE indexed_0 PARTITION OF indexed FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE UNIQUE INDEX indexed_0_code ON indexed_0 (code);
        ALTER TABLE indexed_0 REPLICA IDENTITY USING INDEX indexed_0_code;
        CREATE TABLE fine (id bigint PRIMARY KEY, owner bigint NOT NULL) PARTITION BY HASH (id);
        CREATE TABLE fine_0 PARTITION OF fine FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        ALTER TABLE fine_0 REPLICA IDENTITY FULL;`,
      publication: "FOR ALL TABLES WITH (publish_via_partition_root)",
      sharding,
      tables: [],
    });
    const message = expect.stringMatching(/indexed_0 has \(code\) and its root indexed \(id\); whole_1 has \(id\) and its root whole FULL\.$/) as string;
    await expect(runToEnd(scene.pipeline)).rejects.toMatchObject({ code: "PARTITION_IDENTITY_DIFFERS", message });
    // Published one by one they are as good as any table.
    await scene.client.query("ALTER PUBLICATION everything SET (publish_via_partition_root = false)");
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
  });
});
