import fc from "fast-check";
import { parse } from "pgsql-parser";
import { describe, expect, it } from "vitest";
import { splitStatements } from "../../src/schema/split-statements.js";
import { fixtureSchema } from "./fixture-schema.js";

const texts = (dump: string): string[] => splitStatements(dump).map(({ sql }) => sql);

describe("splitStatements", () => {
  it("sees through every way to hide a semicolon", () => {
    const statements = [
      "SELECT ';', E'\\';', $$;$$, $a$;$$;$a$, \";\"\"\" -- ;\n /* ; /* ; */ ; */ + 1",
      "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN $1 > 0 THEN 1 ELSE 0 END; SELECT 2; END",
      "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
      "SELECT a$b, $1, 'über;', \"ä;\", ü$$",
    ];
    expect(texts(statements.join(";\n"))).toEqual(statements);
    expect(texts(`${statements.join(" ; ")};`)).toEqual(statements);
    expect(texts("-- nothing; here\n ;; /* ; */")).toEqual([]);
  });

  it("takes psql's lines for what they are", () => {
    expect(splitStatements("-- head\n\\restrict a1B;2\n\nSELECT '\n\\restrict x\n';\n\\unrestrict a1B;2\n")).toEqual([
      { sql: "\\restrict a1B;2", meta: true },
      { sql: "SELECT '\n\\restrict x\n'", meta: false },
      { sql: "\\unrestrict a1B;2", meta: true },
    ]);
  });

  it("cuts where PostgreSQL's own parser does", async () => {
    const { stmts } = await parse(fixtureSchema);
    const bytes = Buffer.from(fixtureSchema);
    const expected = stmts!.map(({ stmt_location: start = 0, stmt_len: length }) => bytes.subarray(start, length === undefined ? undefined : start + length).toString());
    // The parser leaves comments before a statement in place of nothing, as we do, but keeps white space.
    expect(texts(fixtureSchema)).toEqual(expected.map((sql) => sql.replace(/^(?:\s|--[^\n]*\n)+/, "").trimEnd()));
  });

  it("gives back what was joined", () => {
    const quoted = fc.string({ unit: "binary" }).map((text) => `'${text.replaceAll("\0", "").replaceAll("'", "''")}'`);
    const name = fc.string({ unit: "binary", minLength: 1 }).map((text) => `"${text.replaceAll("\0", "").replaceAll('"', '""')}"`);
    const dollars = fc.tuple(fc.constantFrom("$$", "$ä1$"), fc.string()).map(([tag, text]) => `${tag}${text.replaceAll("$", "")}${tag}`);
    const statement = fc.array(fc.oneof(quoted, name, dollars, fc.constantFrom("word", "(;)", "1.5", "=", "[1]", "CASE END")), { minLength: 1 }).map((parts) => `SELECT ${parts.join(" ")}`);
    const gap = fc.constantFrom(";", ";\n\n", "; -- ;'\n", ";/* \" ; */\n", "\n;\n--\n-- Name: x; Type: TABLE\n--\n\n");
    fc.assert(fc.property(fc.array(fc.tuple(statement, gap)), (parts) => {
      expect(texts(parts.map(([sql, separator]) => sql + separator).join(""))).toEqual(parts.map(([sql]) => sql));
    }));
  });
});
