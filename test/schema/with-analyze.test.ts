import { expect, it } from "vitest";
import { connect } from "../../src/postgres/connection.js";
import { applySchema } from "../../src/schema/apply-schema.js";
import { planSchema } from "../../src/schema/plan-schema.js";
import { statementsOf } from "../../src/schema/schema-plan.js";
import { prepareSession } from "../../src/schema/session-settings.js";
import { withAnalyze } from "../../src/schema/with-analyze.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf } from "../support/pipeline.js";
import { fixtureSchema } from "./fixture-schema.js";

it("analyzes tables, the roots of partition trees and materialized views at the end of post, and nothing else changes", async () => {
  const plan = await planSchema(`
CREATE TABLE s.plain (a integer);
CREATE TABLE s.root (a integer) PARTITION BY LIST (a);
CREATE TABLE s.branch (a integer) PARTITION BY LIST (a);
CREATE TABLE s.leaf (a integer);
CREATE FOREIGN TABLE s.far (a integer) SERVER f;
CREATE VIEW s.v AS SELECT 1;
CREATE MATERIALIZED VIEW s."M" AS SELECT 1 WITH NO DATA;
ALTER TABLE ONLY s.root ATTACH PARTITION s.branch FOR VALUES IN (1);
ALTER TABLE ONLY s.branch ATTACH PARTITION s.leaf FOR VALUES IN (1);
CREATE INDEX i ON s.plain USING btree (a);
`);
  const analyzing = withAnalyze(plan);
  const post = statementsOf(analyzing, "post").map(({ sql }) => sql);
  expect(post.slice(-3).sort()).toEqual(['ANALYZE "s"."M"', 'ANALYZE "s"."plain"', 'ANALYZE "s"."root"']);
  expect(post.indexOf('REFRESH MATERIALIZED VIEW "s"."M"')).toBe(post.length - 4);
  expect(analyzing.statements.filter(({ kind }) => kind !== "analyze")).toEqual(plan.statements);
});

it("keeps every statement of a large schema", async () => {
  const plan = await planSchema(fixtureSchema);
  expect(withAnalyze(plan).statements.filter(({ kind }) => kind !== "analyze")).toEqual(plan.statements);
});

it("waits for the indexes, whose expressions have statistics too", async () => {
  const cluster = await startTestCluster();
  await cluster.createDatabase("shard");
  const shard = addressOf({ cluster, database: "shard" });
  const plan = withAnalyze(await planSchema("CREATE TABLE public.t (a integer); CREATE TABLE public.u (a integer); CREATE INDEX i ON public.t USING btree (abs(a)); CREATE INDEX j ON public.u USING btree (abs(a));"));
  const session = async (): ReturnType<typeof connect> => {
    const client = await connect(shard, { applicationName: "pg-reshard schema" });
    await prepareSession(client);
    return client;
  };
  await applySchema(plan, "pre", [shard], { session });
  const seen: string[] = [];
  await applySchema(plan, "post", [shard], { session, concurrency: 4, onStatement: ({ statement, state }) => seen.push(`${statement.kind} ${state}`) });
  expect(seen.slice(0, 4).sort()).toEqual(["index ran", "index ran", "index running", "index running"]);
  expect(seen.slice(4).sort()).toEqual(["analyze ran", "analyze ran", "analyze running", "analyze running"]);
});
