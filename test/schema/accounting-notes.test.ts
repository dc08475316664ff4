import { describe, expect, it } from "vitest";
import { accountingNotes } from "../../src/schema/accounting-notes.js";
import { planSchema } from "../../src/schema/plan-schema.js";

async function notesOf(dump: string, largeObjects = 0): Promise<string[]> {
  return accountingNotes(await planSchema(dump), { largeObjects });
}

const ORDINARY = `SET default_tablespace = '';
CREATE SCHEMA s;
CREATE TABLE s.t (a integer);
COMMENT ON TABLE s.t IS 'x';
`;

describe("accountingNotes", () => {
  it("has nothing to say of a schema that is carried whole", async () => {
    expect(await notesOf(ORDINARY)).toEqual([]);
  });

  it("lists what is not carried, each object once, and not what belongs to it", async () => {
    const notes = await notesOf(`${ORDINARY}
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
ALTER SERVER far OWNER TO bob;
COMMENT ON SERVER far IS 'far away';
CREATE USER MAPPING FOR bob SERVER far OPTIONS (password 'secret');
CREATE USER MAPPING FOR eve SERVER far;
CREATE FOREIGN TABLE s.there (a integer) SERVER far;
CREATE SUBSCRIPTION news CONNECTION 'host=x password=secret' PUBLICATION p WITH (connect = false);
ALTER SUBSCRIPTION news DISABLE;
SET default_tablespace = fast;
CREATE TABLE s.u (a integer);
SET default_tablespace = '';
CREATE TABLE s.v (a integer);
SET default_tablespace = fast;
`, 12);
    expect(notes).toEqual([
      "Not carried, make by hand on the shards what they need: 1 subscription (news); 1 foreign server (far); 2 user mappings; 1 foreign table (s.there); 1 tablespace (fast); 12 large objects.",
    ]);
  });

  it("lists labels of what is not carried, and no others", async () => {
    expect(await notesOf(`${ORDINARY}SECURITY LABEL FOR p ON TABLE s.t IS 'x';\n`)).toEqual([]);
    expect(await notesOf(`${ORDINARY}SECURITY LABEL FOR p ON LARGE OBJECT 5 IS 'x';\n`)).toEqual(["Not carried, make by hand on the shards what they need: 1 security label."]);
  });

  it("shows how statements begin that it has no rule for, so many of them", async () => {
    const many = Array.from({ length: 12 }, (_, index) => `SOMETHING\n  new ${index} ${"x".repeat(80)};`);
    const [note, ...others] = await notesOf(`${ORDINARY}${many.join("\n")}\n`);
    expect(others).toEqual([]);
    expect(note).toMatch(/^12 statements of kinds that this project has no rule for, run as dumped, before the rows: SOMETHING new 0 x{44}…; SOMETHING new 1 .*; SOMETHING new 9 x+… and 2 more\.$/);
  });
});
