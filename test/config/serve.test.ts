import { expect, test } from "vitest";
import { loadServeConfiguration, type ServeConfiguration } from "../../src/config/serve.js";
import { DATABASES, filesOf, linesOf } from "./files.js";

function load(config: string, users = ""): ServeConfiguration {
  return loadServeConfiguration({ config: "/etc/reshard/pgdog.toml", users: "/etc/reshard/users.toml" }, { ADMIN: "s3cret" }, filesOf({ "/etc/reshard/pgdog.toml": config, "/etc/reshard/users.toml": users }));
}

test("without a word of its own, a gateway has PgDog's defaults", () => {
  const { databases, clients, ownLogins, ...rest } = load(DATABASES);
  expect(rest).toEqual({
    host: "0.0.0.0", port: 6432, tls: undefined, authentication: "scram",
    admin: { name: "admin", user: "admin", password: undefined },
    limits: { maxClients: 1000, loginTimeout: 60_000, idleTimeout: 0, queryTimeout: 0, crossShardLockTimeout: 10_000 },
    twoPhaseCommit: false, stateDirectory: "/etc/reshard", rehearsals: undefined, notes: [],
  });
  expect(databases.map(({ name, shards }) => [name, shards.length])).toEqual([["prod", 1], ["prod_2x", 2]]);
  expect(clients).toEqual([]);
  expect([...ownLogins.keys()]).toEqual(["old:5432/prod", "shard-0:5432/prod_2x", "shard-1:5432/prod_2x"]);
});

test("what [general] and [admin] say", () => {
  const { host, port, tls, authentication, admin, limits, twoPhaseCommit, stateDirectory } = load(`
[general]
host = "127.0.0.1"
port = 7000
auth_type = "plain"
tls_certificate = "tls/server.pem"
tls_private_key = "/keys/server.key"
max_clients = 10
client_idle_timeout = 5
query_timeout = 6
client_login_timeout = 7
two_phase_commit = true
cross_shard_lock_timeout = 8
state_directory = "/var/lib/reshard"
[admin]
name = "control"
user = "root"
password = "\${ADMIN}"
${DATABASES}`);
  expect({ host, port, tls, authentication, admin, limits, twoPhaseCommit, stateDirectory }).toEqual({
    host: "127.0.0.1", port: 7000, authentication: "plain", twoPhaseCommit: true, stateDirectory: "/var/lib/reshard",
    tls: { certificate: "/etc/reshard/tls/server.pem", privateKey: "/keys/server.key" },
    admin: { name: "control", user: "root", password: "s3cret" },
    limits: { maxClients: 10, idleTimeout: 5, queryTimeout: 6, loginTimeout: 7, crossShardLockTimeout: 8 },
  });
});

test("what is rehearsed for which shards", () => {
  expect(load(`${DATABASES}[[rehearsals]]\ndatabase = "prod"\ndestination = "prod_2x"\n`).rehearsals).toEqual([{ database: "prod", destination: "prod_2x" }]);
  expect(linesOf(() => load(`[[rehearsals]]\ndatabase = "prd"\n[[rehearsals]]\ndatabase = "prod"\ndestination = "prod2x"\n${DATABASES}`))).toEqual([
    '/etc/reshard/pgdog.toml:1:1: [[rehearsals]] lacks "destination", expected a string',
    '/etc/reshard/pgdog.toml:5:15: no [[databases]] entry defines "prod2x", expected one of "prod", "prod_2x", did you mean "prod_2x"?',
  ]);
});

test("users are clients of their databases, with what they log in with at each server", () => {
  const databases = DATABASES.replace('host = "old"\nuser = "postgres"', 'host = "old"').replace('shard = 1\nuser = "postgres"', 'shard = 1\nuser = "own"\npassword = "p1"').replace('host = "shard-0"\nuser = "postgres"', 'host = "shard-0"');
  const { clients, ownLogins } = load(databases, `
[[users]]
name = "app"
all_databases = true
password = "a"
passwords = ["b"]
server_user = "app_on_server"
server_password = "c"
[[users]]
name = "reader"
database = "prod"
password = "r"
`);
  expect(clients.map(({ user, database, passwords, server }) => [user, database, passwords, `${server.user}:${server.password!}`])).toEqual([
    ["app", "prod", ["a", "b"], "app_on_server:c"],
    ["reader", "prod", ["r"], "reader:r"],
    ["app", "prod_2x", ["a", "b"], "app_on_server:c"],
  ]);
  expect([...ownLogins]).toEqual([["shard-1:5432/prod_2x", { user: "own", password: "p1" }]]);
});

test.each([
  ["nothing to serve", "[general]\nport = 1\n", ['/etc/reshard/pgdog.toml: there is no [[databases]] entry, expected at least one database to serve']],
  ["the admin database's name is taken", `[admin]\nname = "prod"\n${DATABASES}`, ['/etc/reshard/pgdog.toml: the admin database "prod" has the name of a [[databases]] entry, expected another name in [admin]']],
  ["half of TLS", `[general]\ntls_certificate = "x"\n${DATABASES}`, ["/etc/reshard/pgdog.toml: [general] has only one of tls_certificate and tls_private_key, expected both, or neither"]],
  ["md5", `[general]\nauth_type = "md5"\n${DATABASES}`, ['/etc/reshard/pgdog.toml: auth_type = "md5" is not supported: it can be broken, expected "scram", or "plain" over TLS']],
  ["a typing error in [admin]", `[admin]\npasword = "x"\n${DATABASES}`, ['/etc/reshard/pgdog.toml:2:1: [admin] has no key "pasword", did you mean "password"?']],
])("%s", (_, config, lines) => {
  expect(linesOf(() => load(config))).toEqual(lines);
});
