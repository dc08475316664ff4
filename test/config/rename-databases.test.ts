import fc from "fast-check";
import { expect, test } from "vitest";
import { loadServeConfiguration } from "../../src/config/serve.js";
import { renameDatabases, usersLeftBehind } from "../../src/config/rename-databases.js";
import { filesOf } from "./files.js";

function exchanged(one: string, other: string): ReadonlyMap<string, string> {
  return new Map([[one, other], [other, one]]);
}

const FILE = `# both databases
[[databases]]
name = "prod" # the one that serves
host = "old"
database_name = "shop"
user = "u"

[[databases]]
name = 'prod_2x'
host = "new" ; 
user = "u"
`.replace(" ; ", "");

test("names are exchanged, everything else stays as it was", () => {
  expect(renameDatabases(FILE, exchanged("prod", "prod_2x"))).toBe(`# both databases
[[databases]]
name = "prod_2x" # the one that serves
host = "old"
database_name = "shop"
user = "u"

[[databases]]
name = "prod"
database_name = "prod_2x"
host = "new"
user = "u"
`);
});

test("in every section that names databases, also as inline tables", () => {
  const text = `databases = [{ name = "a", host = "h" }, { name = "b", host = "h", database_name = "x" }]
omnisharded_tables = [{ database = "b", tables = ["a"] }]
[[users]]
name = "a"
databases = ["a", "c", "b"]
[[users]]
name = "b"
database = "b"
[[sharded_tables]]
database = "b"
name = "b"
column = "a"
[[sharded_schemas]]
database = "b"
name = "a"
[general]
host = "a"
`;
  expect(renameDatabases(text, exchanged("a", "b"))).toBe(`databases = [{ name = "b", database_name = "a", host = "h" }, { name = "a", host = "h", database_name = "x" }]
omnisharded_tables = [{ database = "a", tables = ["a"] }]
[[users]]
name = "a"
databases = ["b", "c", "a"]
[[users]]
name = "b"
database = "b"
[[sharded_tables]]
database = "a"
name = "b"
column = "a"
[[sharded_schemas]]
database = "a"
name = "a"
[general]
host = "a"
`);
});

const USERS = `[[users]]
name = "app" # reaches what is called a
database = "a"
[[users]]
name = "both"
database = "a"
server_password = "on a's servers"
[[users]]
name = "both"
database = "b"
server_password = "on b's servers"
[[users]]
name = "owner"
database = "a"
schema_admin = true
[[users]]
name = "all"
all_databases = true
schema_admin = true
`;

test("of users, those entries that say how to log in on the servers", () => {
  expect(renameDatabases(USERS, exchanged("a", "b"))).toBe(USERS
    .replace('"a"\nserver', '"B"\nserver').replace('"b"\nserver', '"a"\nserver').replace('"B"', '"b"')
    .replace('"a"\nschema', '"b"\nschema'));
  expect(usersLeftBehind(USERS, exchanged("a", "b"))).toEqual([{ user: "owner", database: "a" }]);
  expect(usersLeftBehind(`${USERS}[[users]]\nname = "owner"\ndatabase = "b"\n`, exchanged("a", "b"))).toEqual([]);
});

test("not where a name comes from the environment", () => {
  expect(renameDatabases('[[databases]]\nname = "${NAME}"\nhost = "h"\n[[databases]]\nname = "b"\nhost = "i"\n', exchanged("a", "b"))).toBeUndefined();
});

test("twice is the configuration as it was", () => {
  const name = fc.constantFrom("a", "b", "c d", 'e"f');
  const entry = fc.record({ name, host: fc.constantFrom("x", "y"), port: fc.integer({ min: 1, max: 9 }), given: fc.option(name, { nil: undefined }) });
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: ({ name }) => name, minLength: 1 }), name, name, (entries, one, other) => {
      const text = entries.map((each) => `[[databases]]\nname = ${JSON.stringify(each.name)}\nhost = "${each.host}"\nport = ${each.port}\nuser = "u"\n${each.given === undefined ? "" : `database_name = ${JSON.stringify(each.given)}\n`}`).join("");
      const load = (config: string) => loadServeConfiguration({ config: "c", users: "c" }, {}, filesOf({ c: config })).databases;
      const once = renameDatabases(text, exchanged(one, other))!;
      const rename = (given: string): string => (given === one ? other : given === other ? one : given);
      expect(load(once)).toEqual(load(text).map((database) => ({ ...database, name: rename(database.name) })));
      expect(load(renameDatabases(once, exchanged(one, other))!)).toEqual(load(text));
    }),
  );
});
