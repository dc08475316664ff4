import fc from "fast-check";
import { expect, test } from "vitest";
import { displayName, qualifiedName, quoteIdentifier, quoteLiteral, tableId } from "../../src/postgres/identifiers.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();
/** Any text that a server takes: no zero byte, no half of a surrogate pair. */
const text = fc.string({ unit: fc.constantFrom("a", "B", "'", '"', "\\", "\n", " ", ".", "ß", "😀", "$", ";", "-", "%", "E") });

test("a server reads quoted names and strings as what they were", async () => {
  const client = await cluster.connect();
  for (const conforming of ["on", "off"]) {
    await client.query(`SET standard_conforming_strings = ${conforming}; SET escape_string_warning = off`);
    await fc.assert(
      fc.asyncProperty(text, text.filter((name) => name !== "" && Buffer.byteLength(name) < 64), async (value, name) => {
        const { rows } = await client.query<Record<string, string>>(`SELECT ${quoteLiteral(value)} AS ${quoteIdentifier(name)}`);
        expect(rows).toEqual([{ [name]: value }]);
      }),
      { numRuns: 150 },
    );
  }
});

test("names of tables", () => {
  expect(qualifiedName({ schema: 'a"b', name: "c.d" })).toBe('"a""b"."c.d"');
  expect(displayName({ schema: "public", name: "t" })).toBe("t");
  expect(displayName({ schema: "sales", name: "t" })).toBe("sales.t");
  fc.assert(fc.property(text, text, text, text, (a, b, c, d) => {
    expect(tableId({ schema: a, name: b }) === tableId({ schema: c, name: d })).toBe(a === c && b === d);
  }));
});
