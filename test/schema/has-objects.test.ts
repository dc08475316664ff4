import { beforeAll, expect, test } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { createProgressTables } from "../../src/progress/progress-tables.js";
import { hasObjects } from "../../src/schema/has-objects.js";
import { startTestCluster } from "../support/cluster.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});

test("a new database has none of its users' objects, nor with our bookkeeping in it", async () => {
  const client = await cluster.connect();
  expect(await hasObjects(client)).toBe(false);
  await createProgressTables(client);
  expect(await hasObjects(client)).toBe(false);
  await client.end();
});

test.each(["CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE SCHEMA empty", "CREATE COLLATION c (provider = libc, locale = 'C')", "CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)", "CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1",
  "CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)", "CREATE CAST (bytea AS xml) WITH INOUT", "CREATE EXTENSION citext", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", "CREATE FOREIGN DATA WRAPPER w", "CREATE ACCESS METHOD a TYPE TABLE HANDLER heap_tableam_handler",
  "CREATE TABLE t ()", "CREATE VIEW v AS SELECT 1 AS a", "CREATE SEQUENCE s", "CREATE TYPE e AS ENUM ('a')", "CREATE DOMAIN d AS text", "CREATE SCHEMA own CREATE TABLE t ()", "CREATE PUBLICATION p",
  "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER g ON ddl_command_end EXECUTE FUNCTION f()"])("%s makes one", async (sql) => {
  const client = await cluster.connect();
  await client.query(`BEGIN; ${sql}`);
  expect(await hasObjects(client)).toBe(true);
  await client.query("ROLLBACK");
  await client.end();
});
