import { describe, expect, it } from "vitest";
import type { SelectFacts } from "../../src/admin/select-constants.js";
import { STANDARD_SETTINGS } from "../../src/admin/session-settings.js";
import { sessionStatement, type SessionStatement } from "../../src/admin/session-statement.js";
import { commandsIn } from "../../src/admin/tokens.js";

const facts: SelectFacts = {
  user: "admin",
  database: "admin_db",
  processId: 77,
  version: "PostgreSQL 15.0 (pg-reshard 1.0)",
  settings: new Map([...Object.entries(STANDARD_SETTINGS), ["server_version_num", "150000"]]),
  now: new Date("2026-01-15T10:32:01.042Z"),
};

const statement = (text: string): SessionStatement | undefined => sessionStatement(commandsIn(text)[0]!, facts);

function rows(text: string): unknown {
  const found = statement(text);
  if (found?.kind !== "rows") throw new Error(`no rows: ${JSON.stringify(found)}`);
  return [found.table.columns.map(({ name, type }) => `${name} ${type}`), ...found.table.rows];
}

describe("what drivers and tools send by themselves", () => {
  it.each<[string, unknown]>([
    ["SELECT 1", [["?column? int4"], [1]]],
    ["select 1 AS ping", [["ping int4"], [1]]],
    ["SELECT -1, 1.5, 'it''s', NULL, true", [["?column? int4", "?column? float8", "?column? text", "?column? text", "bool bool"], [-1, 1.5, "it's", undefined, true]]],
    ["SELECT version()", [["version text"], [facts.version]]],
    ["SELECT pg_catalog.version() v", [["v text"], [facts.version]]],
    ["SELECT current_database(), current_user, session_user, current_schema()", [["current_database text", "current_user text", "session_user text", "current_schema text"], ["admin_db", "admin", "admin", "public"]]],
    ["SELECT pg_backend_pid(), pg_is_in_recovery()", [["pg_backend_pid int4", "pg_is_in_recovery bool"], [77, false]]],
    ["SELECT now()", [["now timestamptz"], [facts.now]]],
    // Grafana.
    ["SELECT current_setting('server_version_num')::int/100 as version", [["version int4"], [1500]]],
    // pgAdmin.
    ["SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'", [["set_config text"], ["hex"]]],
    // The driver `postgres`, Npgsql: types of arrays, types at all.
    ["select b.oid, b.typarray from pg_catalog.pg_type a left join pg_catalog.pg_type b on b.oid = a.typelem where a.typcategory = 'A' group by b.oid", [["oid text", "typarray text"]]],
    ["SELECT ns.nspname, count(a, b) AS \"Both\", f(x, y) FROM (SELECT 1 FROM pg_type) AS t", [["nspname text", "Both text", "?column? text"]]],
    ["SHOW client_encoding", [["client_encoding text"], ["UTF8"]]],
    ["show DateStyle", [["DateStyle text"], ["ISO, MDY"]]],
    ["SHOW TRANSACTION ISOLATION LEVEL", [["transaction_isolation text"], ["read committed"]]],
    ["SHOW TIME ZONE", [["TimeZone text"], ["UTC"]]],
    ["SHOW transaction_read_only", [["transaction_read_only text"], ["off"]]],
  ])("%s", (text, expected) => {
    expect(rows(text)).toEqual(expected);
  });

  it.each<[string, SessionStatement]>([
    ["BEGIN", { kind: "acknowledged", tag: "BEGIN", transaction: "begin" }],
    ["begin isolation level serializable", { kind: "acknowledged", tag: "BEGIN", transaction: "begin" }],
    ["START TRANSACTION READ ONLY", { kind: "acknowledged", tag: "START TRANSACTION", transaction: "begin" }],
    ["COMMIT", { kind: "acknowledged", tag: "COMMIT", transaction: "commit" }],
    ["ROLLBACK", { kind: "acknowledged", tag: "ROLLBACK", transaction: "rollback" }],
    ["ROLLBACK TO SAVEPOINT a", { kind: "acknowledged", tag: "ROLLBACK" }],
    ["DISCARD ALL", { kind: "acknowledged", tag: "DISCARD ALL" }],
    ["SET extra_float_digits = 3", { kind: "set", tag: "SET", name: "extra_float_digits", value: "3" }],
    ["SET application_name TO 'My App'", { kind: "set", tag: "SET", name: "application_name", value: "My App" }],
    ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", { kind: "acknowledged", tag: "SET" }],
    ["SET client_encoding='utf-8'", { kind: "set", tag: "SET", name: "client_encoding", value: "UTF8" }],
    ["SET NAMES 'UTF8'", { kind: "set", tag: "SET", name: "client_encoding", value: "UTF8" }],
    ["SET TIME ZONE 'UTC'", { kind: "set", tag: "SET", name: "timezone", value: "UTC" }],
  ])("%s is answered with its tag", (text, expected) => {
    expect(statement(text)).toEqual(expected);
  });

  it("is told from commands", () => {
    for (const text of ["SHOW TASKS", "SHOW nothing", "RESHARD a b c", "START", "DEALLOCATE x", "constructor"]) expect(statement(text)).toBeUndefined();
  });

  it.each([["SELECT * FROM pg_class", "NOT_SUPPORTED"], ["SELECT id FROM tasks", "NOT_SUPPORTED"], ["SELECT pg_sleep(1)", "NOT_SUPPORTED"], ["SELECT 1 / 0", "NOT_SUPPORTED"], ["SELECT constructor()", "NOT_SUPPORTED"], ["SELECT", "SYNTAX_ERROR"], ["SELECT 1,", "SYNTAX_ERROR"], ["SELECT 'x'::int", "NOT_SUPPORTED"], ["SET a", "SYNTAX_ERROR"], ["SET client_encoding = 'LATIN1'", "ENCODING_UNKNOWN"]])("%s is refused", (text, code) => {
    expect(() => statement(text)).toThrow(expect.objectContaining({ code }) as Error);
  });
});
