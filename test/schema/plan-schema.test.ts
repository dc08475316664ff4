import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quoteIdentifier } from "../../src/postgres/identifiers.js";
import { planSchema } from "../../src/schema/plan-schema.js";
import { renderPlan } from "../../src/schema/render-plan.js";
import { type Phase, statementsOf } from "../../src/schema/schema-plan.js";
import { splitStatements } from "../../src/schema/split-statements.js";
import { fixtureSchema } from "./fixture-schema.js";

/** Statements as pg_dump prints them, over a table `s.t`; `N` stands for any quoted name. */
const CASES: readonly (readonly [Phase, kind: string, sql: string])[] = [
  ["skip", "setting", "SET statement_timeout = 0"],
  ["skip", "setting", "SET default_tablespace = ''"],
  ["skip", "tablespace", "SET default_tablespace = fast"],
  ["skip", "tablespace", "SET default_tablespace = N"],
  ["skip", "setting", "SET default_table_access_method = heap"],
  ["skip", "table access method", "SET default_table_access_method = columnar"],
  ["skip", "setting", "SET SESSION AUTHORIZATION N"],
  ["skip", "setting", "SELECT pg_catalog.set_config('search_path', '', false)"],
  ["skip", "psql command", "\\restrict abc"],
  ["skip", "subscription", "CREATE SUBSCRIPTION N CONNECTION 'host=x' PUBLICATION p WITH (connect = false)"],
  ["skip", "foreign server", "CREATE SERVER N FOREIGN DATA WRAPPER w"],
  ["skip", "user mapping", "CREATE USER MAPPING FOR N SERVER s OPTIONS (password 'secret')"],
  ["skip", "foreign table", "CREATE FOREIGN TABLE s.N (a integer) SERVER far"],
  ["pre", "schema", "CREATE SCHEMA N"],
  ["pre", "extension", "CREATE EXTENSION IF NOT EXISTS N WITH SCHEMA public"],
  ["pre", "type", "CREATE TYPE s.N"],
  ["pre", "type", "CREATE TYPE s.N AS ENUM (\n    'a',\n    'b'\n)"],
  ["pre", "type", "CREATE TYPE s.N AS (\n\ta integer\n)"],
  ["pre", "type", "CREATE TYPE s.N AS RANGE (\n    subtype = numeric\n)"],
  ["pre", "domain", "CREATE DOMAIN s.N AS integer"],
  ["post", "check constraint", "ALTER DOMAIN s.d ADD CONSTRAINT N CHECK ((VALUE > 0)) NOT VALID"],
  ["pre", "collation", "CREATE COLLATION s.N (provider = libc, locale = 'C')"],
  ["pre", "cast", "CREATE CAST (integer AS s.N) WITH FUNCTION s.f(integer)"],
  ["pre", "operator class", "CREATE OPERATOR CLASS s.N DEFAULT FOR TYPE integer USING btree AS OPERATOR 1 <"],
  ["pre", "transform", "CREATE TRANSFORM FOR s.N LANGUAGE sql (FROM SQL WITH FUNCTION s.f(internal))"],
  ["pre", "conversion", "CREATE CONVERSION s.N FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"],
  ["pre", "access method", "CREATE ACCESS METHOD N TYPE TABLE HANDLER heap_tableam_handler"],
  ["pre", "language", "CREATE OR REPLACE PROCEDURAL LANGUAGE N HANDLER s.h"],
  ["pre", "foreign data wrapper", "CREATE FOREIGN DATA WRAPPER N"],
  ["pre", "operator family", "CREATE OPERATOR FAMILY s.N USING btree"],
  ["pre", "operator", "CREATE OPERATOR s.+ (FUNCTION = s.N, LEFTARG = point, RIGHTARG = point)"],
  ["pre", "aggregate", "CREATE AGGREGATE s.N(text) (SFUNC = textcat, STYPE = text)"],
  ["pre", "text search configuration", "ALTER TEXT SEARCH CONFIGURATION s.N ADD MAPPING FOR asciiword WITH simple"],
  ["pre", "sequence", "CREATE SEQUENCE s.N START WITH 1"],
  ["pre", "sequence ownership", "ALTER SEQUENCE s.q OWNED BY s.t.N"],
  ["pre", "table", "CREATE TABLE s.N (\n    a integer NOT NULL\n)\nPARTITION BY HASH (a)"],
  ["pre", "table", "CREATE UNLOGGED TABLE s.N (\n)\nINHERITS (s.t)"],
  ["pre", "partition", "ALTER TABLE ONLY s.t ATTACH PARTITION s.N FOR VALUES WITH (modulus 2, remainder 1)"],
  ["pre", "identity", "ALTER TABLE s.t ALTER COLUMN N ADD GENERATED ALWAYS AS IDENTITY (\n    SEQUENCE NAME s.q\n)"],
  ["pre", "default", "ALTER TABLE ONLY s.t ALTER COLUMN N SET DEFAULT nextval('s.q'::regclass)"],
  ["pre", "table setting", "ALTER TABLE ONLY s.t ALTER COLUMN N SET STATISTICS 100"],
  ["pre", "owner", "ALTER TABLE s.t OWNER TO N"],
  ["pre", "owner", "ALTER FUNCTION s.f(integer) OWNER TO N"],
  ["pre", "row security", "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY"],
  ["pre", "policy", "CREATE POLICY N ON s.t USING (true)"],
  ["pre", "view", "CREATE VIEW s.N AS\n SELECT 1 AS a"],
  ["post", "view", "CREATE OR REPLACE VIEW s.N AS\n SELECT 1 AS a"],
  ["pre", "grant", "GRANT SELECT ON TABLE s.t TO N"],
  ["pre", "grant", "REVOKE ALL ON FUNCTION s.f(integer) FROM PUBLIC"],
  ["pre", "comment", "COMMENT ON COLUMN s.t.a IS 'a; b'"],
  ["pre", "security label", "SECURITY LABEL FOR N ON TABLE s.t IS 'x'"],
  ["pre", "publication", "CREATE PUBLICATION N FOR ALL TABLES WITH (publish = 'insert, update')"],
  ["pre", "publication", "ALTER PUBLICATION N ADD TABLE ONLY s.t"],
  ["pre", "publication", "ALTER PUBLICATION p ADD TABLES IN SCHEMA N"],
  ["pre", "unknown", "SOMETHING no parser knows N"],
  ["pre", "unknown", "VACUUM s.t"],
  ["key", "primary key", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT N PRIMARY KEY (a)"],
  ["key", "replica identity", "ALTER TABLE ONLY s.t REPLICA IDENTITY FULL"],
  ["post", "unique constraint", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT N UNIQUE (a)"],
  ["post", "exclusion constraint", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT N EXCLUDE USING gist (r WITH &&)"],
  ["post", "foreign key", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT N FOREIGN KEY (a) REFERENCES s.u(a)"],
  ["post", "check constraint", "ALTER TABLE s.t\n    ADD CONSTRAINT N CHECK ((a > 0)) NOT VALID"],
  ["post", "not null constraint", "ALTER TABLE s.t\n    ADD CONSTRAINT N NOT NULL a NOT VALID"],
  ["post", "index", "CREATE UNIQUE INDEX N ON s.t USING btree (lower(a)) WHERE (a IS NOT NULL)"],
  ["post", "index attachment", "ALTER INDEX s.i ATTACH PARTITION s.N"],
  ["post", "clustering", "ALTER TABLE s.t CLUSTER ON N"],
  ["post", "statistics", "CREATE STATISTICS s.N ON a, b FROM s.t"],
  ["post", "trigger", "CREATE TRIGGER N BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()"],
  ["post", "trigger state", "ALTER TABLE s.t DISABLE TRIGGER N"],
  ["post", "rule", "CREATE RULE N AS ON INSERT TO s.t DO INSTEAD NOTHING"],
  ["post", "event trigger", "CREATE EVENT TRIGGER N ON ddl_command_end EXECUTE FUNCTION s.f()"],
  ["post", "default privileges", "ALTER DEFAULT PRIVILEGES FOR ROLE N IN SCHEMA s GRANT SELECT ON TABLES TO PUBLIC"],
];

const name = fc.string({ unit: "binary", minLength: 1, maxLength: 10 }).map((text) => quoteIdentifier(text.replaceAll("\0", "x")));

describe("planSchema", () => {
  for (const [phase, kind, sql] of CASES) {
    it(`puts into ${phase} a ${kind}: ${sql.split("\n")[0]!}`, async () => {
      await fc.assert(fc.asyncProperty(name, async (quoted) => {
        const text = sql.replace(/\bN\b/, () => quoted);
        const { statements } = await planSchema(`${text}${sql.startsWith("\\") ? "" : ";"}\n`);
        expect(statements.map((statement) => [statement.phase, statement.kind, statement.original])).toEqual([[phase, kind, text]]);
        expect(statements[0]!.reason).not.toBe("");
      }), { numRuns: 10 });
    });
  }

  it("holds every statement of any dump exactly once, as it is written", async () => {
    const gap = fc.constantFrom(";\n\n", ";\n\n--\n-- Name: x; Type: TABLE; Schema: s; Owner: o\n--\n\n");
    const statement = fc.tuple(fc.constantFrom(...CASES.filter(([, kind]) => kind !== "psql command")), name, gap);
    await fc.assert(fc.asyncProperty(fc.array(statement, { maxLength: 60 }), async (parts) => {
      const written = parts.map(([[, , sql], quoted]) => sql.replace(/\bN\b/, () => quoted));
      const { statements } = await planSchema(`\\restrict token\n${written.map((sql, index) => sql + parts[index]![2]).join("")}\\unrestrict token\n`);
      const dumped = statements.filter((planned) => planned.original !== undefined).sort((a, b) => a.position - b.position);
      expect(dumped.map((planned) => planned.original)).toEqual(["\\restrict token", ...written, "\\unrestrict token"]);
      expect(dumped.map((planned) => planned.position)).toEqual(dumped.map((_, index) => index));
    }), { numRuns: 50 });
  });

  it("understands every statement of the fixture, and rewrites routines only", async () => {
    const { statements } = await planSchema(fixtureSchema);
    expect(statements.filter((statement) => statement.kind === "unknown")).toEqual([]);
    const rewritten = statements.filter((statement) => statement.original !== undefined && statement.sql !== statement.original);
    expect(rewritten.length).toBeGreaterThan(0);
    for (const statement of rewritten) expect(statement.sql).toBe(statement.original!.replace("CREATE ", "CREATE OR REPLACE "));
  });

  it("reads no more into a name than it says", async () => {
    const { statements } = await planSchema('ALTER TABLE ONLY "S.""x"."T ü" ADD CONSTRAINT "P.K" PRIMARY KEY (id);');
    expect(statements[0]).toMatchObject({ object: { schema: 'S."x', name: "P.K" }, table: { schema: 'S."x', name: "T ü" } });
  });

  const phasesOf = async (dump: string): Promise<[string, string][]> =>
    (await planSchema(dump)).statements.map((statement): [string, string] => [statement.phase, statement.sql.split("\n")[0]!]);

  it("builds with the keys what a replica identity names, and the partitions' indexes that complete it", async () => {
    const plan = await planSchema(`CREATE TABLE s.t (a integer NOT NULL) PARTITION BY LIST (a); CREATE TABLE s.t1 (a integer NOT NULL); CREATE TABLE s.u (a integer);
      ALTER TABLE ONLY s.t ATTACH PARTITION s.t1 FOR VALUES IN (1);
      CREATE UNIQUE INDEX i ON ONLY s.t USING btree (a); ALTER TABLE ONLY s.t REPLICA IDENTITY USING INDEX i;
      CREATE UNIQUE INDEX i1 ON s.t1 USING btree (a); CREATE INDEX other ON s.t1 USING btree (a);
      ALTER TABLE ONLY s.u ADD CONSTRAINT c UNIQUE (a); ALTER TABLE ONLY s.u REPLICA IDENTITY USING INDEX c;
      ALTER INDEX s.i ATTACH PARTITION s.i1;`);
    expect(plan.keyUnits.map((unit) => [unit.root.name, unit.tables.map((table) => table.name), unit.statements.map((statement) => statement.kind)])).toEqual([
      ["t", ["t", "t1"], ["index", "replica identity", "index", "index attachment"]],
      ["u", ["u"], ["unique constraint", "replica identity"]],
    ]);
    expect(statementsOf(plan, "post").map((statement) => statement.object?.name)).toEqual(["other"]);
  });

  it("runs comments, owners and grants after what they are about, and leaves them out with it", async () => {
    expect(await phasesOf(`CREATE FOREIGN TABLE s.far (a integer) SERVER x; COMMENT ON COLUMN s.far.a IS 'gone'; GRANT SELECT ON TABLE s.far TO PUBLIC;
      CREATE SUBSCRIPTION sub CONNECTION 'x' PUBLICATION p; ALTER SUBSCRIPTION sub OWNER TO o;
      CREATE INDEX i ON s.t USING btree (a); COMMENT ON INDEX s.i IS 'later'; COMMENT ON TABLE s.i2 IS 'early';`)).toEqual([
      ["pre", "COMMENT ON TABLE s.i2 IS 'early'"],
      ["post", "CREATE INDEX i ON s.t USING btree (a)"],
      ["post", "COMMENT ON INDEX s.i IS 'later'"],
      ["skip", "CREATE FOREIGN TABLE s.far (a integer) SERVER x"],
      ["skip", "COMMENT ON COLUMN s.far.a IS 'gone'"],
      ["skip", "GRANT SELECT ON TABLE s.far TO PUBLIC"],
      ["skip", "CREATE SUBSCRIPTION sub CONNECTION 'x' PUBLICATION p"],
      ["skip", "ALTER SUBSCRIPTION sub OWNER TO o"],
    ]);
  });

  it("keeps behind the keys what pg_dump put there, and refreshes materialized views at the end", async () => {
    expect(await phasesOf(`CREATE MATERIALIZED VIEW s.early AS SELECT 1 WITH NO DATA;
      ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a);
      CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION s.f(); ALTER EVENT TRIGGER e OWNER TO o;
      CREATE MATERIALIZED VIEW s.late AS SELECT a, b FROM s.t GROUP BY a WITH NO DATA; ALTER MATERIALIZED VIEW s.late OWNER TO o;
      CREATE INDEX i ON s.late USING btree (a); CREATE INDEX j ON s.t USING btree (a);`)).toEqual([
      ["pre", "CREATE MATERIALIZED VIEW s.early AS SELECT 1 WITH NO DATA"],
      ["key", "ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a)"],
      ["post", "CREATE INDEX j ON s.t USING btree (a)"],
      ["post", "CREATE MATERIALIZED VIEW s.late AS SELECT a, b FROM s.t GROUP BY a WITH NO DATA"],
      ["post", "ALTER MATERIALIZED VIEW s.late OWNER TO o"],
      ["post", "CREATE INDEX i ON s.late USING btree (a)"],
      ["post", 'REFRESH MATERIALIZED VIEW "s"."early"'],
      ["post", 'REFRESH MATERIALIZED VIEW "s"."late"'],
      ["post", "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION s.f()"],
      ["post", "ALTER EVENT TRIGGER e OWNER TO o"],
    ]);
  });
});

describe("renderPlan", () => {
  it("prints what runs, with phase, kind and reason, and what does not as comments", async () => {
    const plan = await planSchema("SET a = 1; CREATE TABLE s.\"x\ny\" (a integer); CREATE INDEX i ON s.t USING btree (a); GRANT SELECT ON TABLE s.t TO reader;");
    const text = renderPlan(plan, ["pre", "post", "skip"]);
    expect(text).toContain('\n-- pre: table s.x y: rows need it\nCREATE TABLE s."x\ny" (a integer);\n');
    expect(text).toContain("\n-- pre: grant s.t: belongs to its object; needs role reader\nGRANT");
    expect(text).toContain("\n-- post: index s.i: quicker to build once the rows are there\nCREATE INDEX");
    expect(text).toContain("\n-- skip: setting: the session sets this itself\n-- SET a = 1\n");
    const ran = splitStatements(text).map(({ sql }) => sql);
    expect(ran.slice(ran.findIndex((sql) => sql.startsWith("CREATE")))).toEqual([...statementsOf(plan, "pre"), ...statementsOf(plan, "post")].map((statement) => statement.sql));
    expect(ran[0]).toBe("SET check_function_bodies = off");
    expect(renderPlan(plan, ["skip"])).not.toMatch(/^[^-\n]/m);
  });

  it("has notes as comments at its head, and parameters beside the settings", async () => {
    const text = renderPlan(await planSchema("CREATE SCHEMA s;"), ["pre"], { notes: ["one\nDROP TABLE t;\rDROP TABLE u;", "two"], parameters: { maintenance_work_mem: "2GB" } });
    expect(text).toMatch(/^-- one\n-- DROP TABLE t;\n-- DROP TABLE u;\n-- two\n\nSET check_function_bodies = off;\n/);
    expect(text).toContain("\nSET maintenance_work_mem = '2GB';\n");
  });

  it("lets nothing that is skipped out of its comment", async () => {
    const plan = await planSchema('CREATE SERVER "a\rDROP TABLE t;\nDROP TABLE u;" FOREIGN DATA WRAPPER w;');
    expect(renderPlan(plan, ["skip"]).split(/[\n\r]/).filter((line) => line !== "" && !line.startsWith("--"))).toEqual([]);
  });
});
