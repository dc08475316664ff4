import { expect, test } from "vitest";
import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import { deleteStatement, replaceStatement, updateStatement } from "../../src/sinks/apply-statements.js";
import { prepareTargetTable, type TargetTable } from "../../src/sinks/target-table.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();
const TYPE_OIDS = { bigint: 20, int: 23, text: 25, uuid: 2950 };

async function targetOf(columns: Readonly<Record<string, keyof typeof TYPE_OIDS>>, key: readonly string[], also = ""): Promise<TargetTable> {
  const database = `order_${targetOf.made++}`;
  await cluster.createDatabase(database);
  const client = await cluster.connect(database);
  const definitions = Object.entries(columns).map(([name, type]) => `${name} ${type}`).join(", ");
  await client.query(`CREATE SCHEMA reshard; CREATE TABLE t (${definitions}, PRIMARY KEY (${key.join(", ")})); ${also}`);
  const relation: PgoutputRelation = {
    kind: "relation",
    xid: undefined,
    oid: 1,
    schema: "public",
    name: "t",
    replicaIdentity: "d",
    columns: Object.entries(columns).map(([name, type]) => ({ name, typeOid: TYPE_OIDS[type], typeModifier: -1, partOfKey: key.includes(name) })),
  };
  return await prepareTargetTable(client, relation, { key, format: "binary", sourceShard: 0, generation: 0 });
}
targetOf.made = 0;

test("rows are looked up in the order of their key where its types sort quickly", async () => {
  const target = await targetOf({ a: "text", id: "bigint", of: "uuid" }, ["of", "id"]);
  expect(target.order).toEqual([2, 1]);
  for (const statement of [deleteStatement(target), replaceStatement(target)!, updateStatement(target, [0])]) expect(statement).toContain('ORDER BY d."3", d."2"');
});

test("in the order in which they came where a collation would have to be asked", async () => {
  const target = await targetOf({ a: "text", id: "int" }, ["a", "id"]);
  expect(target.order).toEqual([]);
  for (const statement of [deleteStatement(target), replaceStatement({ ...target, key: [0] })!]) expect(statement).not.toContain("ORDER BY");
});

test("in the order in which they came where a value may be free only then", async () => {
  expect((await targetOf({ id: "bigint", a: "int" }, ["id"], "CREATE UNIQUE INDEX ON t (a) WHERE a > 0")).order).toEqual([]);
  expect((await targetOf({ id: "bigint", a: "int" }, ["id"], "ALTER TABLE t ADD EXCLUDE (a WITH =)")).order).toEqual([]);
  expect((await targetOf({ id: "bigint", a: "int" }, ["id"], "CREATE INDEX ON t (a)")).order).toEqual([0]);
});
