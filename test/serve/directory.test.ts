import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Directory } from "../../src/serve/directory.js";
import { readRouting, ROUTING_FILE_NAME, writeRouting } from "../../src/serve/routing-file.js";
import { beginSaving } from "../../src/serve/save-configuration.js";

/* What databases are called after cutovers, by files and routing file, whichever of them a process finds. */

let directory: string;
beforeEach(() => { directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-")); });
afterEach(() => { rmSync(directory, { recursive: true, force: true }); });

const NAMES = ["prod", "prod_2x", "prod_3x"] as const;
const CONFIG = `[general]\ncutover_save_config = true\n${NAMES.map((name) => `[[databases]]\nname = "${name}"\nhost = "${name}.host"\ndatabase_name = "shop"\n`).join("")}`;
const owner = (database: string): string => `[[users]]\nname = "owner"\ndatabase = "${database}"\npassword = "owner's"\nserver_password = "on ${database}"\nschema_admin = true\n`;
const USERS = `[[users]]\nname = "app"\ndatabase = "prod"\npassword = "app's"\n${NAMES.map(owner).join("")}`;

const file = (name: string): string => path.join(directory, name);
const read = (name: string): string => readFileSync(file(name), "utf8");

function opened(): Directory {
  return new Directory({ config: file("pgdog.toml"), users: file("users.toml") }, {});
}

function begin(config = CONFIG, users = USERS): Directory {
  writeFileSync(file("pgdog.toml"), config);
  writeFileSync(file("users.toml"), users);
  return opened();
}

/** Hosts by the names that lead to them, in the order of the files. */
function hosts({ databases }: Directory): Record<string, string> {
  return Object.fromEntries(databases.map(({ name, shards }) => [name, shards[0]!.primary.host]));
}

function cutOver(served: Directory, source: string, destination: string): string[] {
  return served.switch(served.pipelineFor({ source, destination, publication: "p", slot: undefined }));
}

function loseRouting(): void {
  rmSync(file(ROUTING_FILE_NAME));
}

const THERE = { prod: "prod_2x.host", prod_2x: "prod.host", prod_3x: "prod_3x.host" };

test("files that were saved say what the routing file says: with both, without the one or before RELOAD, and back again", () => {
  const served = begin();
  expect(cutOver(served, "prod", "prod_2x")).toEqual([]);
  // Who may reach prod, and what is said to the servers behind it.
  const logins = (directory: Directory): unknown => [directory.clientsOf("prod").some(({ user }) => user === "app"), directory.addressesFor("owner", directory.databases.find(({ name }) => name === "prod")!).map(({ host, password }) => `${host}: ${password}`)];
  const check = (directory: Directory): void => {
    expect(hosts(directory)).toEqual(THERE);
    expect(logins(directory)).toEqual([true, ["prod_2x.host: on prod_2x"]]);
    const { from, to } = directory.pipelineFor({ source: "prod", destination: "prod_2x", publication: "p", slot: undefined });
    expect([from, to].map(({ shards }) => shards[0]!.primary)).toMatchObject([{ host: "prod_2x.host", password: "on prod_2x" }, { host: "prod.host", password: "on prod" }]);
  };
  check(served);
  served.reload();
  check(served);
  check(opened());
  loseRouting();
  check(opened());
  expect(cutOver(opened(), "prod", "prod_2x")).toEqual([]);
  expect([read("pgdog.toml"), read("users.toml")]).toEqual([CONFIG, USERS]);
  expect(hosts(opened())).toEqual({ prod: "prod.host", prod_2x: "prod_2x.host", prod_3x: "prod_3x.host" });
});

test("whoever may log in before a cutover may after it, also a schema administrator that applications use", () => {
  const users = `[[users]]\nname = "app"\ndatabase = "prod"\npassword = "app's"\nschema_admin = true\n${NAMES.slice(1).map(owner).join("")}`;
  const served = begin(CONFIG, users);
  expect(cutOver(served, "prod", "prod_2x").join("\n")).toContain('the user "app" is for other servers\' "prod_2x" now');
  for (const directory of [served, opened()]) expect(directory.clientsOf("prod").map(({ user }) => user)).toContain("app");
});

test("what a killed process has not saved is saved by the next one", () => {
  cutOver(begin(), "prod", "prod_2x");
  const saved = [read("pgdog.toml"), read("users.toml")];
  const routing = readRouting(directory);
  expect(routing.saving).toBeUndefined();
  begin();
  const { saving } = beginSaving([file("pgdog.toml"), file("users.toml")], new Map([["prod", "prod_2x"], ["prod_2x", "prod"]]));
  for (const written of [[], [0], [0, 1]]) {
    writeFileSync(file("pgdog.toml"), CONFIG);
    writeFileSync(file("users.toml"), USERS);
    for (const index of written) writeFileSync(file(["pgdog.toml", "users.toml"][index]!), saved[index]!);
    writeRouting(directory, { ...routing, saving });
    const next = opened();
    expect(hosts(next)).toEqual(THERE);
    expect([read("pgdog.toml"), read("users.toml")]).toEqual(saved);
    expect(readRouting(directory)).toEqual(routing);
    expect(next.configuration.notes).toEqual([]);
  }
});

test("the switch is made, whatever somebody has done to the files meanwhile", () => {
  const served = begin();
  const pipeline = served.pipelineFor({ source: "prod", destination: "prod_2x", publication: "p", slot: undefined });
  writeFileSync(file("pgdog.toml"), CONFIG.replace("[general]", "[general"));
  expect(served.switch(pipeline)).toEqual([expect.stringContaining("were left as they are; the routing file says who is in charge")]);
  expect([hosts(served), served.inCharge(pipeline)]).toEqual([THERE, "destination"]);
  writeFileSync(file("pgdog.toml"), CONFIG);
  expect(hosts(opened())).toEqual(THERE);
});

test("files that were not saved at a former cutover are saved at the next", () => {
  const served = begin(CONFIG.replace("true", "false"));
  cutOver(served, "prod", "prod_2x");
  expect(read("pgdog.toml")).toBe(CONFIG.replace("true", "false"));
  writeFileSync(file("pgdog.toml"), CONFIG);
  cutOver(served, "prod", "prod_3x");
  const names = { prod: "prod_3x.host", prod_2x: "prod.host", prod_3x: "prod_2x.host" };
  expect(hosts(served)).toEqual(names);
  loseRouting();
  expect(hosts(opened())).toEqual(names);
});

test("two databases do not get one name because somebody wrote the servers of the one otherwise", () => {
  const served = begin(CONFIG.replace("true", "false"));
  cutOver(served, "prod", "prod_2x");
  writeFileSync(file("pgdog.toml"), CONFIG.replace("prod_2x.host", "10.0.0.2"));
  expect(() => { served.reload(); }).toThrow(expect.objectContaining({ code: "NAME_TAKEN", message: expect.stringContaining('"prod_2x" would be prod.host:5432/shop as well as 10.0.0.2:5432/shop') as unknown }));
  expect(hosts(served)).toEqual(THERE);
  expect(opened).toThrow(expect.objectContaining({ code: "NAME_TAKEN" }));
});
