import { expect, it } from "vitest";
import { readCatalog, STATEMENTS } from "../../src/schema/read-catalog.js";
import { startTestCluster } from "../support/cluster.js";
import { fixtureRoles, fixtureSchema } from "./fixture-schema.js";

const cluster = await startTestCluster();

it("a statement that is left out where its witness finds nothing would have told nothing", async () => {
  await cluster.createDatabase("everything");
  const client = await cluster.connect("everything");
  await client.query(fixtureRoles);
  await client.query(fixtureSchema);
  await client.query("SET search_path = pg_catalog; SET allow_system_table_mods = on");
  const told: string[] = [];
  for (const { sql, witness } of STATEMENTS) {
    if (witness === undefined) continue;
    const kind = /'([^']+)'/.exec(sql)![1]!;
    const { rowCount } = await client.query(sql);
    if (rowCount !== 0) told.push(kind);
    await client.query("BEGIN");
    // As if nothing of it had ever been made; an array's type looks like one of its own once that of its elements is gone.
    while ((await client.query(`DELETE FROM ${witness}`)).rowCount !== 0);
    expect([kind, (await client.query(sql)).rowCount]).toEqual([kind, 0]);
    await client.query("ROLLBACK");
  }
  expect(told.length).toBeGreaterThan(20);
});

it("a new database has its schema and the language that comes with PostgreSQL, and is asked little", async () => {
  await cluster.createDatabase("bare");
  const client = await cluster.connect("bare");
  expect([...(await readCatalog(client)).objects.values()].map(({ kind, name }) => `${kind} ${name}`)).toEqual(["schema public", "extension plpgsql"]);
  const found = STATEMENTS.flatMap(({ witness }) => (witness === undefined ? [] : [`EXISTS (SELECT FROM ${witness})`]));
  expect((await client.query<{ any: boolean }>(`SELECT ${found.join(" OR ")} AS any`)).rows).toEqual([{ any: false }]);
});
