import { describe, expect, test } from "vitest";
import { DATABASES, linesOf, loadText, PIPELINE_HEAD } from "./files.js";

const withHost = (host: string, more = ""): string => PIPELINE_HEAD + DATABASES.replace('host = "old"', () => `host = ${host}${more}`);

describe("variables in string values", () => {
  const environment = { HOST: "db", EMPTY: "", _x1: "under", NESTED: "${HOST}" };

  test.each([
    ['"${HOST}"', "db"],
    ['"a-${HOST}.${_x1}"', "a-db.under"],
    ['"${UNSET:-fallback}"', "fallback"],
    ['"${EMPTY:-fallback}"', "fallback"],
    ['"${HOST:-fallback}"', "db"],
    ['"${HOST:?no host}"', "db"],
    ['"x${EMPTY}"', "x"],
    ['"x${UNSET:-}"', "x"],
    ["'${HOST}'", "db"],
    ['"$${HOST}"', "${HOST}"],
    ['"$HOST $5 {HOST}"', "$HOST $5 {HOST}"],
    ['"${NESTED}"', "${HOST}"],
  ])("%s is %s", (written, host) => {
    expect(loadText(withHost(written), environment).from.shards[0]?.primary.host).toBe(host);
  });

  test("stand for numbers and booleans where those are expected", () => {
    const text = withHost('"h"', '\nport = "${PORT}"\nuser = "u"\n[[databases]]\nname = "prod"\nhost = "r"\nresharding_only = "${ONLY:-true}"');
    const shard = loadText(text, { PORT: "6000" }).from.shards[0];
    expect(shard?.primary.port).toBe(6000);
    expect(shard?.replicas).toHaveLength(1);
  });

  test("are checked like any other value, and not shown", () => {
    const text = withHost('"h"', '\nport = "${PORT}"\nrole = "${ROLE}"');
    expect(linesOf(() => loadText(text, { PORT: "secret", ROLE: "secret" }))).toEqual([
      'p.toml:9:8: "port" is a value from the environment, expected a port, from 1 to 65535',
      'p.toml:10:8: "role" is a value from the environment, expected "primary", "replica", "auto"',
    ]);
  });

  test("are resolved in [pipeline], [[stages]], [general] and inside lists", () => {
    const text = `[pipeline]
from = "\${FROM}"
to = "prod_2x"
publication = "\${PUBLICATION}"
${DATABASES}
[[stages]]
type = "\${STAGE}"
[general]
resharding_parallel_copies = "\${COPIES}"
[[omnisharded_tables]]
database = "prod_2x"
tables = ["a", "\${TABLE}"]
`;
    expect(loadText(text, { FROM: "prod", PUBLICATION: "p", STAGE: "verify", COPIES: "3", TABLE: "b" })).toMatchObject({
      from: { name: "prod" },
      publication: "p",
      stages: [{ type: "verify" }],
      general: { reshardingParallelCopies: 3 },
      to: { sharding: { omnisharded: ["a", "b"] } },
    });
  });
});

test("variables that are not set are all reported, once each and at their places", () => {
  const text = `[pipeline]
from = "\${FROM}"
to = "prod_2x"
publication = "\${PUBLICATION:?name the publication}"
${DATABASES.replace('"shard-1"', '"${A}-${B}"')}
[[stages]]
type = "\${STAGE}"
[[users]]
name = "x"
database = "\${DATABASE}"
password = "\${PASSWORD}"
[[sharded_tables]]
database = "prod_2x"
column = "id"
mapping = [{ values = ["\${VALUE}"], shard = 0 }]
`;
  const unset = (place: string, name: string, said = ""): string =>
    `p.toml:${place}: the environment variable ${name} is not set${said}, expected it to be set, or a default: \${${name}:-…}`;
  expect(linesOf(() => loadText(text, { toString: undefined }))).toEqual([
    unset("2:8", "FROM"),
    unset("4:15", "PUBLICATION", ": name the publication"),
    unset("18:8", "A"),
    unset("18:8", "B"),
    unset("23:8", "STAGE"),
    unset("26:12", "DATABASE"),
    unset("27:12", "PASSWORD"),
    unset("31:24", "VALUE"),
  ]);
});

test("names that every object inherits are not set", () => {
  expect(linesOf(() => loadText(withHost('"${constructor}"')))).toHaveLength(1);
});

test.each(['"${"', '"${}"', '"${1}"', '"${HOST"', '"${A-b}"', '"${A:-${HOST}}"'])("%s is refused", (written) => {
  expect(linesOf(() => loadText(withHost(written), { HOST: "h" }))).toEqual([
    "p.toml:8:8: a ${ that starts no substitution, expected ${NAME}, ${NAME:-default}, ${NAME:?message}, or $${ for the characters themselves",
  ]);
});
