import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { freePort } from "../../src/embedded/free-port.js";
import { SHOW_SUBJECTS } from "../../src/admin/admin-command.js";
import { passwordMessage, saslInitialResponse, startupMessage } from "../../src/wire/frontend-messages.js";
import { SCRAM_ITERATIONS, SCRAM_MECHANISM, scramKeys } from "../../src/wire/scram.js";
import { atEnd } from "../support/at-end.js";
import { startTestCluster } from "../support/cluster.js";
import { talk } from "../support/raw-client.js";
import { Served, ServedFiles } from "../support/served.js";

/* Passwords of clients, servers and operators are in nothing that a gateway tells, whatever goes wrong. */

const SECRETS = {
  client: "Client-Zebra-7151",
  formerClient: "Former-Walrus-2290",
  admin: "Operator-Heron-4482",
  server: "Server-Quagga-9036",
  wrongServer: "Mistaken-Okapi-3317",
  unreachable: "Faraway-Tapir-6625",
  rotated: "Rotated-Civet-8874",
  mapped: "Mapped-Gibbon-1249",
  environment: "Environs-Lemur-5590",
  given: "Attempt-Marmot-7703",
};

let cluster: Cluster;
let files: ServedFiles;
let served: Served;
let config: string;
let users: string;
let stateDirectory: string;
/** What clients and operators were answered, errors with all of their fields. */
const answers: unknown[] = [];

beforeAll(async () => {
  cluster = await startTestCluster({ logins: "scram-sha-256" });
  for (const name of ["shop", "shop_0", "shop_1"]) await cluster.createDatabase(name);
  const client = await cluster.connect("shop");
  await client.query(`
    CREATE ROLE gateway SUPERUSER LOGIN PASSWORD '${SECRETS.server}';
    CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
    INSERT INTO users VALUES (1, 'one');
    CREATE FUNCTION from_other() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN dblink('host=other password=${SECRETS.mapped}', 'SELECT 1'); END $$;
    CREATE PUBLICATION all_tables FOR ALL TABLES`);
  await client.end();
  const nobody = await freePort();
  const entry = (name: string, shard: number, database: string, { port = cluster.port, login = "" } = {}): string =>
    `[[databases]]\nname = "${name}"\nhost = "127.0.0.1"\nport = ${port}\nshard = ${shard}\ndatabase_name = "${database}"\nsslmode = "disable"\n${login}\n`;
  const login = (password: string): string => `user = "gateway"\npassword = "${password}"`;
  stateDirectory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  atEnd(() => { rmSync(stateDirectory, { recursive: true, force: true }); });
  config = [
    `[general]\nhost = "127.0.0.1"\nport = 0\nstate_directory = "${stateDirectory}"\ncutover_save_config = true\n`,
    `[admin]\npassword = "${SECRETS.admin}"\n`,
    entry("prod", 0, "shop"), entry("prod_2x", 0, "shop_0"), entry("prod_2x", 1, "shop_1", { login: login(SECRETS.server) }),
    entry("refused", 0, "shop_0", { login: login(SECRETS.wrongServer) }),
    entry("unreachable", 0, "far", { port: nobody, login: login(SECRETS.unreachable) }),
    '[[sharded_tables]]\ndatabase = "prod_2x"\nname = "users"\ncolumn = "id"\ndata_type = "bigint"\n',
  ].join("\n");
  users = `[[users]]\nname = "app"\nall_databases = true\npasswords = ["${SECRETS.client}", "${SECRETS.formerClient}"]\nserver_user = "gateway"\nserver_password = "${SECRETS.server}"\nschema_admin = true\n`;
  files = new ServedFiles(config, users);
  served = await Served.start(files, { SHOP_PASSWORD: SECRETS.environment });
});
afterAll(async () => {
  await served.serving.close();
});

/** Notes what is answered, whatever it is. */
async function noted(work: Promise<unknown>): Promise<unknown> {
  const answer = await work.catch((error: unknown) => error);
  answers.push(answer);
  return answer;
}

async function failing(work: Promise<unknown>): Promise<void> {
  expect(await noted(work)).toBeInstanceOf(Error);
}

async function connected(database: string, user: string, password: string): Promise<pg.Client> {
  const client = new pg.Client({ host: "127.0.0.1", port: served.serving.port, database, user, password });
  client.on("error", (error) => answers.push(error));
  await client.connect();
  return client;
}

/** Of clients. The statements are rehearsed: RESHARD has been tried. */
async function clients(admin: pg.Client): Promise<void> {
  await failing(connected("prod", "app", SECRETS.given));
  await failing(connected("prod", SECRETS.given.toLowerCase(), SECRETS.client));
  await failing(connected("admin", "admin", SECRETS.given));
  await failing(connected("refused", "app", SECRETS.client));
  await failing(connected("unreachable", "app", SECRETS.formerClient));
  const client = await connected("prod", "app", SECRETS.formerClient);
  await expect.poll(async () => {
    await client.query("SELECT 1");
    return (await admin.query<object>("SHOW ROUTES")).rows;
  }).not.toEqual([]);
  await noted(client.query(`CREATE ROLE visitor LOGIN PASSWORD '${SECRETS.rotated}'`));
  await noted(client.query(`CREATE FOREIGN DATA WRAPPER other; CREATE SERVER elsewhere FOREIGN DATA WRAPPER other; CREATE USER MAPPING FOR visitor SERVER elsewhere OPTIONS (password '${SECRETS.mapped}')`));
  await noted(client.query("SELECT name FROM users WHERE id = $1", [1]));
  await client.end();
}

/** What is not the protocol, with a password where none belongs. Gives the salt that a user's keys are made with. */
async function malformed(): Promise<void> {
  const startup = (user: string, database: string): Buffer => startupMessage([["user", user], ["database", database]]);
  const { port } = served.serving;
  answers.push((await talk(port, Buffer.from(`GET /?password=${SECRETS.given} HTTP/1.1\r\n\r\n`))).toString("latin1"));
  for (const [user, database] of [["app", "prod"], ["admin", "admin"]] as const) {
    answers.push((await talk(port, startup(user, database), passwordMessage(SECRETS.client))).toString("latin1"));
    answers.push((await talk(port, startup(user, database), saslInitialResponse(SECRETS.admin, SECRETS.client))).toString("latin1"));
    answers.push((await talk(port, startup(user, database), saslInitialResponse(SCRAM_MECHANISM, "n,,n=,r=nonce"), passwordMessage(`c=biws,r=nonce,p=${SECRETS.client}`))).toString("latin1"));
  }
}

/** The gateway's salts are in what it said to those. */
async function keysOfGateway(): Promise<Buffer[]> {
  const salts = answers.filter((answer) => typeof answer === "string").flatMap((answer) => [...answer.matchAll(/,s=([A-Za-z0-9+/=]+),i=/g)].map(([, salt]) => Buffer.from(salt!, "base64")));
  expect(salts).toHaveLength(2);
  const passwords = [SECRETS.client, SECRETS.formerClient, SECRETS.admin];
  const keys = await Promise.all(salts.flatMap((salt) => passwords.map((password) => scramKeys(password, salt, SCRAM_ITERATIONS))));
  return keys.flatMap(({ storedKey, serverKey }) => [storedKey, serverKey]);
}

/** What PostgreSQL knows of its roles' passwords. */
async function keysOfServer(): Promise<Buffer[]> {
  const client = await cluster.connect();
  const { rows } = await client.query<{ rolpassword: string }>("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL");
  await client.end();
  return rows.flatMap(({ rolpassword }) => rolpassword.split("$").at(-1)!.split(":").map((key) => Buffer.from(key, "base64")));
}

const ENTRY = '[[users]]\nname = "other"\ndatabase = "prod"\n';

/** Files with a mistake at a password. */
const BROKEN: readonly (readonly [mistake: string, config: string, users: string])[] = [
  ["a string without an end", "", `${ENTRY}password = "${SECRETS.given}\n`],
  ["no quotes", "", `${ENTRY}password = ${SECRETS.given}\n`],
  ["a list", "", `${ENTRY}password = ["${SECRETS.given}"]\n`],
  ["no list", "", `${ENTRY}passwords = "${SECRETS.given}"\n`],
  ["a table", "", `${ENTRY}server_password = { value = "${SECRETS.given}" }\n`],
  ["twice", "", `${ENTRY}password = "${SECRETS.given}"\npassword = "${SECRETS.given}"\n`],
  ["a key that is misspelt", "", `${ENTRY}pasword = "${SECRETS.given}"\n`],
  ["a section that has none", `[general]\npassword = "${SECRETS.given}"\n`, ""],
  ["a variable in a key that is misspelt", "", `${ENTRY}pasword = "\${SHOP_PASSWORD}"\n`],
  ["a variable where a number belongs", '[general]\nmax_clients = "${SHOP_PASSWORD}"\n', ""],
  ["a variable that is not there", "", `${ENTRY}password = "\${NO_SUCH_PASSWORD}"\nserver_password = "${SECRETS.given}"\n`],
];

async function brokenFiles(admin: pg.Client): Promise<void> {
  for (const [mistake, moreConfig, moreUsers] of BROKEN) {
    writeFileSync(files.config, moreConfig.startsWith("[general]") ? config.replace("[general]\n", moreConfig) : config);
    writeFileSync(files.users, users + moreUsers);
    expect(await noted(admin.query("RELOAD")), mistake).toBeInstanceOf(Error);
  }
  writeFileSync(files.config, config);
  writeFileSync(files.users, users);
  await noted(admin.query("RELOAD"));
}

type Task = Readonly<Record<"type" | "status" | "inner_status", string>>;

async function untilTask(admin: pg.Client, isIt: (task: Task) => boolean): Promise<void> {
  await expect.poll(async () => (await admin.query<Task>("SHOW TASKS")).rows.some(isIt), { timeout: 60_000 }).toBe(true);
}

async function failingTasks(admin: pg.Client): Promise<void> {
  for (const destination of ["refused", "unreachable"]) {
    await noted(admin.query(`RESHARD prod ${destination} all_tables`));
  }
  await noted(admin.query("RESHARD prod prod_2x no_tables"));
  await untilTask(admin, ({ status }) => status.startsWith("failed"));
  const shard = await cluster.connect("shop_1");
  await shard.query(`
    CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no functions here'; END $$;
    CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE FUNCTION') EXECUTE FUNCTION refuse()`);
  await noted(admin.query("SCHEMA_SYNC PRE prod prod_2x all_tables"));
  await untilTask(admin, ({ type, status }) => type.startsWith("schema_sync") && status.startsWith("failed"));
  await shard.query("DROP EVENT TRIGGER refuse; DROP FUNCTION refuse");
  await shard.end();
}

async function tasks(admin: pg.Client): Promise<void> {
  await noted(admin.query("RESHARD prod prod_2x all_tables"));
  await untilTask(admin, ({ type, inner_status: inner }) => type === "replication prod -> prod_2x (reverse)" && inner === "replicating");
  await noted(admin.query("VERIFY prod prod_2x all_tables"));
  await failing(admin.query(`SHOW PASSWORD '${SECRETS.given}'`));
}

/** Rows of all tables that the gateway has made. */
async function journals(): Promise<string[]> {
  const texts: string[] = [];
  for (const database of ["shop", "shop_0", "shop_1"]) {
    const client = await cluster.connect(database);
    const { rows } = await client.query<{ name: string }>("SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'reshard'");
    for (const { name } of rows) texts.push(...(await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} AS t`)).rows.map(({ row }) => `${name}: ${row}`));
    await client.end();
  }
  return texts;
}

test("no password is in an answer, an event, a SHOW, a journal or the state directory; nor what SCRAM makes of it", async () => {
  const admin = await connected("admin", "admin", SECRETS.admin);
  await malformed();
  await brokenFiles(admin);
  await failingTasks(admin);
  await clients(admin);
  await tasks(admin);
  const shown: [string, readonly unknown[]][] = [];
  for (const subject of SHOW_SUBJECTS) shown.push([subject, (await admin.query<Record<string, unknown>>(`SHOW ${subject}`)).rows]);
  await admin.end();
  const state = readdirSync(stateDirectory).map((name) => readFileSync(path.join(stateDirectory, name), "utf8"));
  const told: Readonly<Record<string, readonly unknown[]>> = { answers, events: served.events, ...Object.fromEntries(shown), journals: await journals(), state };

  // All of it was provoked, and is looked at.
  const text = (things: readonly unknown[]): string => things.map((thing) => (typeof thing === "string" ? thing : inspect(thing, { depth: Infinity, maxStringLength: Infinity, maxArrayLength: Infinity, breakLength: Infinity, showHidden: true }))).join("\n");
  expect(text(told["routes"]!)).toContain("CREATE ROLE visitor");
  expect(text(told["schema_sync"]!)).toContain("dblink");
  expect(text(told["tasks"]!)).toMatch(/failed/);
  expect(text(told["config"]!)).toContain("********");
  expect(text(told["events"]!)).toContain("client-refused");
  expect(state).not.toEqual([]);

  const keys = [...await keysOfGateway(), ...await keysOfServer()];
  const encoded = (bytes: Buffer): string[] => [bytes.toString("base64"), bytes.toString("base64url"), bytes.toString("hex"), bytes.toString("latin1")];
  const needles = new Map([
    ...Object.entries(SECRETS).flatMap(([name, secret]) => [secret, ...encoded(Buffer.from(secret)), encodeURIComponent(secret)].map((needle) => [needle, name] as const)),
    ...keys.flatMap((key) => encoded(key).map((needle) => [needle, "a key of SCRAM"] as const)),
  ]);
  const found = Object.entries(told).flatMap(([where, things]) => things.flatMap((thing) => [...needles].filter(([needle]) => text([thing]).includes(needle)).map(([needle, name]) => `${where}: ${name} (${needle}) in ${text([thing]).slice(0, 600)}`)));
  expect(found).toEqual([]);
}, 120_000);
