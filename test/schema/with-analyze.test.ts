import { expect, it } from "vitest";
import { planSchema } from "../../src/schema/plan-schema.js";
import { statementsOf } from "../../src/schema/schema-plan.js";
import { withAnalyze } from "../../src/schema/with-analyze.js";
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
