import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fits, schemaChange } from "../../src/pipelines/schema-change.js";
import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import type { TableColumn } from "../../src/postgres/table-columns.js";

const TYPES = { text: 25, integer: 23, bigint: 20, "numeric(10,2)": 1700 } as const;
type Columns = Readonly<Record<string, keyof typeof TYPES>>;

function table(columns: Columns): Map<string, TableColumn> {
  return new Map(Object.entries(columns).map(([name, type]) => [name, { name, type, typeName: type, typeOid: TYPES[type] }]));
}

function relation(columns: Columns): PgoutputRelation {
  return {
    kind: "relation", xid: undefined, oid: 1, schema: "public", name: "t", replicaIdentity: "d",
    columns: Object.entries(columns).map(([name, type]) => ({ name, typeOid: TYPES[type], typeModifier: -1, partOfKey: name === "id" })),
  };
}

function known(columns: Columns): Map<string, string> {
  return new Map(Object.entries(columns));
}

const columns = fc.dictionary(fc.constantFrom("id", "a", "b", "c", "d"), fc.constantFrom(...(Object.keys(TYPES) as (keyof typeof TYPES)[])), { noNullPrototype: true });
/** Apart from integers that became bigint, which are widened. */
const narrow = (from: Columns, to: Columns): boolean => Object.keys(from).some((name) => from[name] === "integer" && to[name] === "bigint");

describe("what the shards lack where a table's definition changes", () => {
  test("a step of the source's history is told column by column, and once the shards have taken it nothing is", () => {
    fc.assert(fc.property(columns, columns, columns, (before, after, own) => {
      fc.pre(!narrow(before, after) && !narrow(after, before));
      const extra = Object.fromEntries(Object.entries(own).map(([name, type]) => [`own_${name}`, type]));
      const shard = { ...before, ...extra };
      const change = schemaChange({ relation: relation(after), source: table(after), shards: [table(shard), table(shard)], known: known(before) });
      const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
      expect([...change.added].sort()).toEqual(names.filter((name) => !(name in before)).sort());
      expect([...change.dropped].sort()).toEqual(names.filter((name) => !(name in after)).sort());
      expect(change.retyped.map(({ name }) => name).sort()).toEqual(names.filter((name) => name in before && name in after && before[name] !== after[name]).sort());
      const followed = schemaChange({ relation: relation(after), source: table(after), shards: [table({ ...after, ...extra }), table(after)], known: known(before) });
      expect(fits(followed)).toBe(true);
    }));
  });

  test("a stream that is behind goes on, whether or not the shards were changed already", () => {
    fc.assert(fc.property(columns, columns, (before, after) => {
      fc.pre(!narrow(before, after) && !narrow(after, before));
      const stream = relation(before);
      const changed = schemaChange({ relation: stream, source: table(after), shards: [table(after)], known: known(before) });
      expect(fits(changed)).toBe(true);
      expect([...changed.forgotten].sort()).toEqual(Object.keys(before).filter((name) => !(name in after)).sort());
      expect([...changed.former].sort()).toEqual(Object.keys(before).filter((name) => name in after && before[name] !== after[name]).sort());
      expect(fits(schemaChange({ relation: stream, source: table(after), shards: [table(before)], known: known(before) }))).toBe(true);
    }));
  });

  test("a shard without the table", () => {
    const change = schemaChange({ relation: relation({ id: "bigint" }), source: table({ id: "bigint" }), shards: [table({ id: "bigint" }), undefined], known: undefined });
    expect(change.tableMissing).toBe(true);
    expect(fits(change)).toBe(false);
  });

  test("a type's modifier counts where the source has changed it, and where the shards differ on purpose it does not", () => {
    const numeric = (type: string): Map<string, TableColumn> => new Map([["n", { name: "n", type, typeName: "numeric", typeOid: 1700 }]]);
    const stream = relation({ n: "numeric(10,2)" });
    const of = (source: string, shard: string, before: string): boolean => fits(schemaChange({ relation: stream, source: numeric(source), shards: [numeric(shard)], known: new Map([["n", before]]) }));
    expect(of("numeric(12,4)", "numeric(10,2)", "numeric(10,2)")).toBe(false);
    expect(of("numeric(12,4)", "numeric(12,4)", "numeric(10,2)")).toBe(true);
    expect(of("numeric(10,2)", "numeric(20,6)", "numeric(10,2)")).toBe(true);
  });
});
