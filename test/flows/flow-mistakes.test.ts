import { describe, expect, test } from "vitest";
import { problemText } from "../../src/config/configuration-error.js";
import { flowProblems } from "../../src/pipelines/flow/run-flows.js";
import { typeNamed } from "../../src/pipelines/flow/type-named.js";
import { readText } from "../config/files.js";

/** From line 8 on. */
const HEAD = `[[databases]]
name = "prod"
host = "old"
user = "postgres"

[[stages]]
type = "flow"
source = "from"
sink = "to"
`;

function mistakes(ends: string): readonly string[] {
  return flowProblems(readText(HEAD + ends).stages).map(problemText);
}

const FINE = '[sinks.to]\ntype = "null"\n';

describe("sources and sinks that are described wrongly", () => {
  test("are told with their places", () => {
    expect(mistakes('[sources.from]\ntype = "tabel"\ntable = "t"\n[sinks.to]\ntype = "json"\npath = "-"\n')).toEqual([
      'p.toml:11:8: there is no source of type "tabel", expected one of table, copy-file, changes, did you mean "table"?',
      'p.toml:14:8: there is no sink of type "json", expected one of shards, ndjson, csv, sql, null, did you mean "ndjson"?',
    ]);
    expect(mistakes(`[sources.from]\ntype = "table"\ntabel = "t"\n${FINE}`)).toEqual([
      'p.toml:10:1: [sources.from] lacks "database", expected a name of [[databases]]',
      'p.toml:10:1: [sources.from] lacks "table", expected a table: "table" or "schema.table"',
      'p.toml:12:1: [sources.from] has no option "tabel", did you mean "table"?',
    ]);
    expect(mistakes(`[sources.from]\ntype = "table"\ndatabase = "prod"\ntable = "t"\ncolumns = ["a", "a"]\nshard = -1\n${FINE}`)).toEqual([
      'p.toml:14:11: "columns" is a list, expected each column once',
      'p.toml:15:9: "shard" is -1, expected the number of a shard, from 0',
    ]);
    expect(mistakes(`[sources.from]\ntype = "changes"\ndatabase = "prod"\npublication = "p"\nslot = "My Slot"\nuntil = "caught up"\n${FINE}`)).toEqual([
      'p.toml:14:8: "slot" is "My Slot", expected 1 to 63 of the characters a-z, 0-9 and _',
      'p.toml:15:9: "until" is "caught up", expected "caught-up" or "stopped"',
    ]);
    expect(mistakes(`[sources.from]\ntype = "copy-file"\npath = "t.copy"\ntable = "t"\n${FINE}`)).toEqual([
      'p.toml:10:1: [sources.from] lacks "columns", expected columns with their types, such as ["id bigint", "email text"], or a "database" that has the table',
    ]);
    expect(mistakes('[sources.from]\ntype = "copy-file"\npath = "t.copy"\ntable = "t"\ncolumns = ["id"]\n[sinks.to]\ntype = "csv"\ndatabase = "prod"\npath = "-"\nheader = 1\n')).toEqual([
      'p.toml:14:12: "columns.0" is "id", expected a list of columns with their types, such as ["id bigint", "email text"]',
      'p.toml:17:1: "database" has no meaning for "csv", expected none',
      'p.toml:19:10: "header" is 1, expected true or false',
    ]);
  });

  test("are none where all is right", () => {
    expect(mistakes('[sources.from]\ntype = "table"\ndatabase = "prod"\ntable = "odd.name"\nschema = "s"\nwhere = "id > 0"\nshard = 0\n[sinks.to]\ntype = "shards"\ndatabase = "prod"\n')).toEqual([]);
  });
});

test("types are named as people and as the catalog name them", () => {
  expect(["bigint", "Character  Varying(20)", "numeric(10, 2)", "timestamp(3) with time zone", "int[]", "double precision", "mood", "text[][]"].map(typeNamed)).toEqual(["int8", "varchar", "numeric", "timestamptz", "_int4", "float8", "mood", "_text"]);
});
