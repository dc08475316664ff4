import { describe, expect, it } from "vitest";
import { planSchema } from "../../src/schema/plan-schema.js";
import type { PlannedStatement } from "../../src/schema/schema-plan.js";
import { type BigintKeys, withBigintKeys } from "../../src/schema/with-bigint-keys.js";
import { fixtureSchema } from "./fixture-schema.js";

async function widen(dump: string): Promise<BigintKeys> {
  return withBigintKeys(await planSchema(dump));
}

const names = ({ widened }: BigintKeys): string[] => widened.map(({ schema, name, column }) => `${schema}.${name}.${column}`);
const texts = ({ plan }: BigintKeys): string[] => [...plan.statements].sort((a, b) => a.position - b.position).map((statement) => statement.sql);
const primaryKey = (table: string, columns: string): string => `ALTER TABLE ONLY ${table} ADD CONSTRAINT k PRIMARY KEY (${columns});`;
const foreignKey = (table: string, columns: string, referenced: string): string => `ALTER TABLE ONLY ${table} ADD CONSTRAINT f FOREIGN KEY (${columns}) REFERENCES ${referenced};`;

describe("withBigintKeys", () => {
  it("changes the types of key columns and nothing else in the text", async () => {
    const result = await widen(`CREATE TABLE "S ä"."T ""ü""" (
    "größe" integer DEFAULT 1 NOT NULL, -- integer
    "Id ü" smallint CONSTRAINT "integer" NOT NULL,
    other integer, list integer[] DEFAULT '{}'::integer[], span int4range,
    CONSTRAINT c CHECK (((other)::smallint > ("größe")::integer))
) WITH (fillfactor='70');
${primaryKey('"S ä"."T ""ü"""', '"größe", "Id ü"')}`);
    expect(texts(result)[0]).toBe(`CREATE TABLE "S ä"."T ""ü""" (
    "größe" bigint DEFAULT 1 NOT NULL, -- integer
    "Id ü" bigint CONSTRAINT "integer" NOT NULL,
    other integer, list integer[] DEFAULT '{}'::integer[], span int4range,
    CONSTRAINT c CHECK (((other)::smallint > ("größe")::integer))
) WITH (fillfactor='70')`);
    expect(result.plan.statements[0]).toMatchObject({ reason: "rows need it; integer keys become bigint" });
    expect(result.plan.statements[0]!.original).toContain('"größe" integer');
    expect(names(result)).toEqual(['S ä.T "ü".größe', 'S ä.T "ü".Id ü']);
    expect(result.notes).toEqual(["2 integer key columns of 1 table become bigint on the shards."]);
  });

  it.each(["int", "int4", "int2", "INTEGER", "smallint", "pg_catalog.int4", '"int2"', 'pg_catalog . "int4"'])("knows %s", async (type) => {
    expect(texts(await widen(`CREATE TABLE s.t (a ${type} NOT NULL);${primaryKey("s.t", "a")}`))[0]).toBe("CREATE TABLE s.t (a bigint NOT NULL)");
  });

  it("makes bigserial of serial, and reads keys that are written with their columns", async () => {
    expect(texts(await widen("CREATE TABLE s.t (a serial PRIMARY KEY, b smallserial); CREATE TABLE s.u (a int4 REFERENCES s.t, b integer, FOREIGN KEY (b) REFERENCES s.t (b))"))).toEqual([
      "CREATE TABLE s.t (a bigserial PRIMARY KEY, b smallserial)",
      "CREATE TABLE s.u (a bigint REFERENCES s.t, b integer, FOREIGN KEY (b) REFERENCES s.t (b))",
    ]);
  });

  it.each(["bigint", "uuid", "numeric", "s.int4", "integer[]", "s.positive", "text"])("leaves keys of type %s", async (type) => {
    const dump = `CREATE TABLE s.t (a ${type} NOT NULL, b integer); CREATE TABLE s.u (a integer);${primaryKey("s.t", "a")}${foreignKey("s.u", "a", "s.t(a)")}`;
    const plan = await planSchema(dump);
    expect(withBigintKeys(plan)).toEqual({ plan, widened: [], notes: [] });
  });

  it("follows foreign keys over any number of hops, in circles and column by column", async () => {
    const result = await widen(`
      CREATE TABLE s.a (id integer, up integer); CREATE TABLE s.b (a integer, x smallint); CREATE TABLE s.c (y integer, x integer, n numeric);
      CREATE TABLE s.d (x integer); CREATE TABLE s.e (x integer, free integer); CREATE TABLE s.f (u integer);
      ${foreignKey("s.e", "x", "s.d(x)")}${foreignKey("s.d", "x", "s.e(x)")}${foreignKey("s.d", "x", "s.c(x)")}
      ${foreignKey("s.c", "y, x", "s.b(a, x)")}${foreignKey("s.b", "a", "s.a(id)")}${foreignKey("s.a", "up", "s.a(id)")}${foreignKey("s.c", "n", "s.a(id)")}
      ${foreignKey("s.f", "u", "s.e(free)")}${primaryKey("s.a", "id")}`);
    // b.x is no key and refers to nothing.
    expect(names(result)).toEqual(["s.a.id", "s.a.up", "s.b.a", "s.c.y"]);
    const more = await widen(`CREATE TABLE s.a (id smallint); CREATE TABLE s.b (id integer); CREATE TABLE s.c (id integer); CREATE TABLE s.d (id integer);
      ${foreignKey("s.d", "id", "s.c(id)")}${foreignKey("s.c", "id", "s.b(id)")}${foreignKey("s.b", "id", "s.a")}${primaryKey("s.a", "id")}`);
    expect(names(more)).toEqual(["s.a.id", "s.b.id", "s.c.id", "s.d.id"]);
  });

  it("keeps partition trees and inheritance of one type, wherever the key is", async () => {
    const attach = (parent: string, child: string): string => `ALTER TABLE ONLY ${parent} ATTACH PARTITION ${child} FOR VALUES FROM (1) TO (2);`;
    const tree = `CREATE TABLE s.p (a integer, b smallint, c integer) PARTITION BY RANGE (a); CREATE TABLE s.p1 (c integer, b smallint, a integer) PARTITION BY RANGE (b); CREATE TABLE s.p11 (a integer, b smallint, c integer); CREATE TABLE s.q (b smallint);
      ${attach("s.p", "s.p1")}${attach("s.p1", "s.p11")}`;
    expect(names(await widen(`${tree}${primaryKey("s.p", "a")}${foreignKey("s.q", "b", "s.p1(b)")}`))).toEqual(["s.p1.a", "s.p.a", "s.p11.a"].sort());
    expect(names(await widen(`${tree}${primaryKey("s.p11", "b")}${foreignKey("s.q", "b", "s.p(b)")}`)).sort()).toEqual(["s.p.b", "s.p1.b", "s.p11.b", "s.q.b"]);
    // Two parents, one key on a grandchild that has no such column in its own text.
    const inherits = await widen(`CREATE TABLE s.a (id integer, x integer); CREATE TABLE s.b (id integer, y integer); CREATE TABLE s.ab (z integer) INHERITS (s.a, s.b); CREATE TABLE s.abc (id integer) INHERITS (s.ab); CREATE TABLE s.other (id integer);
      ${primaryKey("s.abc", "id")}`);
    expect(names(inherits).sort()).toEqual(["s.a.id", "s.ab.id", "s.abc.id", "s.b.id"]);
    expect(texts(inherits).slice(0, 5)).toEqual([
      "CREATE TABLE s.a (id bigint, x integer)",
      "CREATE TABLE s.b (id bigint, y integer)",
      "CREATE TABLE s.ab (z integer) INHERITS (s.a, s.b)",
      "CREATE TABLE s.abc (id bigint) INHERITS (s.ab)",
      "CREATE TABLE s.other (id integer)",
    ]);
  });

  it("gives the sequences of widened columns their type, owned or only drawn from", async () => {
    const result = await widen(`CREATE TABLE s.t (a integer NOT NULL, b integer DEFAULT (nextval('s."Q 2"'::regclass) + 1), c integer, d smallint);
CREATE SEQUENCE s.q1
    AS integer
    START WITH 1;
ALTER SEQUENCE s.q1 OWNED BY s.t.a;
CREATE SEQUENCE s."Q 2" AS smallint CACHE 1;
CREATE SEQUENCE s.q3 AS integer MAXVALUE 99;
ALTER TABLE ONLY s.t ALTER COLUMN c SET DEFAULT nextval('s.q3'::regclass);
CREATE SEQUENCE s.q4 AS integer;
ALTER TABLE s.t ALTER COLUMN d ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME s.q5 AS smallint START WITH 1);
CREATE SEQUENCE s.q6;
ALTER SEQUENCE s.q6 OWNED BY s.t.a;
${primaryKey("s.t", "a, b, c, d")}`);
    expect(texts(result).filter((text) => /SEQUENCE s|ADD GENERATED/.test(text))).toEqual([
      "CREATE SEQUENCE s.q1\n    AS bigint\n    START WITH 1",
      "ALTER SEQUENCE s.q1 OWNED BY s.t.a",
      'CREATE SEQUENCE s."Q 2" AS bigint CACHE 1',
      "CREATE SEQUENCE s.q3 AS bigint MAXVALUE 99",
      "CREATE SEQUENCE s.q4 AS integer",
      "ALTER TABLE s.t ALTER COLUMN d ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME s.q5 AS bigint START WITH 1)",
      "CREATE SEQUENCE s.q6",
      "ALTER SEQUENCE s.q6 OWNED BY s.t.a",
    ]);
  });

  it("leaves keys whose type is a domain, and those of typed tables, with what refers to them, and says so", async () => {
    const result = await widen(`CREATE DOMAIN s.small AS smallint; CREATE DOMAIN s.positive AS s.small CHECK (VALUE > 0); CREATE DOMAIN s.word AS text;
      CREATE TYPE s.fields AS (id integer, other bigint);
      CREATE TABLE s.a (id s.positive NOT NULL); CREATE TABLE s.b (id s.word NOT NULL, many s.positive[] NOT NULL); CREATE TABLE s.c OF s.fields; CREATE TABLE s.d OF s.fields (other WITH OPTIONS DEFAULT 1);
      CREATE TABLE s.e (a integer, c integer, id integer);
      ${primaryKey("s.a", "id")}${primaryKey("s.b", "id, many")}${primaryKey("s.c", "id")}${primaryKey("s.d", "other")}${primaryKey("s.e", "id")}${foreignKey("s.e", "a", "s.a(id)")}${foreignKey("s.e", "c", "s.c(id)")}`);
    expect(names(result)).toEqual(["s.e.id"]);
    expect(result.notes).toEqual([
      "s.a.id stays an integer: its type is a domain.",
      "s.c.id stays an integer: the table's type is a composite type.",
      "1 integer key column of 1 table becomes bigint on the shards.",
    ]);
  });

  it("leaves tables whose rows are values of other columns, and says so", async () => {
    const result = await widen(`CREATE TABLE s.a (id integer); CREATE TABLE s.log (id integer, was s.a[]); CREATE TABLE s.b (a integer); CREATE TABLE s.d (id integer) INHERITS (s.a);
      CREATE TYPE s.pair AS (x s.e, y integer); CREATE TABLE s.e (id integer);
      ${primaryKey("s.a", "id")}${primaryKey("s.log", "id")}${foreignKey("s.b", "a", "s.a(id)")}${primaryKey("s.d", "id")}${primaryKey("s.e", "id")}`);
    expect(names(result)).toEqual(["s.log.id"]);
    expect(result.notes.slice(0, 3)).toEqual(["s.a", "s.d", "s.e"].map((table) => `${table}.id stays an integer: rows of its table are stored as values in other columns.`));
  });

  it("gives stand-ins for views the types that the views will have", async () => {
    const result = await widen(`CREATE TABLE s.t (id integer, n integer);
CREATE VIEW s.v AS SELECT NULL::integer AS key, NULL::integer AS n, NULL::bigint AS count, NULL::integer AS top;
CREATE VIEW s.w AS SELECT NULL::integer AS "K";
CREATE VIEW s.plain AS SELECT NULL::integer AS key;
${primaryKey("s.t", "id")}
CREATE OR REPLACE VIEW s.v AS SELECT t.id AS key, t.n, count(*) AS count, max(COALESCE(x.id, 0)) AS top FROM (s.t t LEFT JOIN (SELECT u.id FROM s.t u) x ON ((x.id = t.id))) GROUP BY t.id;
CREATE OR REPLACE VIEW s.w AS WITH c AS (SELECT v.key AS a, v.n AS b FROM s.v) SELECT c.b AS "K" FROM c UNION ALL SELECT c.a FROM c;`);
    expect(texts(result).slice(1, 4)).toEqual([
      "CREATE VIEW s.v AS SELECT NULL::bigint AS key, NULL::integer AS n, NULL::bigint AS count, NULL::bigint AS top",
      'CREATE VIEW s.w AS SELECT NULL::bigint AS "K"',
      "CREATE VIEW s.plain AS SELECT NULL::integer AS key",
    ]);
  });

  it("names the operator class for bigint where an index names that for integer", async () => {
    const result = await widen(`CREATE TABLE s.t (id integer, "x (" smallint, n integer);
CREATE INDEX a ON s.t USING brin (id int4_minmax_multi_ops, n int4_minmax_multi_ops, "x (" int2_bloom_ops) WHERE (id > 0);
CREATE INDEX b ON s.t USING brin (n int4_minmax_multi_ops);
${primaryKey("s.t", 'id, "x ("')}`);
    expect(texts(result).slice(1, 3)).toEqual([
      'CREATE INDEX a ON s.t USING brin (id int8_minmax_multi_ops, n int4_minmax_multi_ops, "x (" int8_bloom_ops) WHERE (id > 0)',
      "CREATE INDEX b ON s.t USING brin (n int4_minmax_multi_ops)",
    ]);
  });

  it("says which functions take integers", async () => {
    const result = await widen(`CREATE TABLE s.t (id integer); CREATE FUNCTION s.f(a bigint) RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION public.g(a text, b smallint) RETURNS integer LANGUAGE sql AS 'SELECT 1'; ${primaryKey("s.t", "id")}`);
    expect(result.notes[1]).toBe("Functions with integer parameters stay as they are (g): one that is called with a key needs bigint there, or a cast where it is called.");
    expect(texts(result)[2]).toContain("g(a text, b smallint)");
  });

  it("keeps order, phases and key units, and all that is not about keys", async () => {
    const plan = await planSchema(fixtureSchema);
    const result = withBigintKeys(plan);
    const widened = result.plan;
    expect(names(result)).toEqual(["select.from.order", "select.from.parent", "public.alternative.a", "public.zebras.id", "public.animals.id", "public.birds.id"]);
    const without = (statement: PlannedStatement): PlannedStatement => ({ ...statement, sql: "", reason: "" });
    expect(widened.statements.map(without)).toEqual(plan.statements.map(without));
    expect(widened.keyUnits.map(({ statements }) => statements.map((statement) => statement.sql))).toEqual(plan.keyUnits.map(({ statements }) => statements.map((statement) => statement.sql)));
    for (const unit of widened.keyUnits) for (const statement of unit.statements) expect(widened.statements).toContain(statement);
    expect(widened.statements.filter((statement, index) => statement.sql !== plan.statements[index]!.sql)).toHaveLength(4);
    // Once more changes nothing more.
    expect(withBigintKeys(widened).plan).toEqual(widened);
  });
});
