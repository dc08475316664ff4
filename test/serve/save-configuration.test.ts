import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { beginSaving, finishSaving } from "../../src/serve/save-configuration.js";

let directory: string;
beforeEach(() => { directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-")); });
afterEach(() => { rmSync(directory, { recursive: true, force: true }); });

const CONFIG = '[[databases]]\nname = "a"\nhost = "x"\n[[databases]]\nname = "b"\nhost = "y"\n';
const SAVED = '[[databases]]\nname = "b"\ndatabase_name = "a"\nhost = "x"\n[[databases]]\nname = "a"\ndatabase_name = "b"\nhost = "y"\n';
const USERS = '[[users]]\nname = "u"\ndatabase = "a"\nschema_admin = true\n';
const EXCHANGED = new Map([["a", "b"], ["b", "a"]]);

const file = (name: string): string => path.join(directory, name);
const read = (name: string): string => readFileSync(file(name), "utf8");

function save(names: readonly string[]): string[] {
  const { saving, notes } = beginSaving(names.map(file), EXCHANGED);
  return saving === undefined ? notes : [...notes, ...finishSaving(saving)];
}

test("files are saved with a backup, and are whose they were", () => {
  writeFileSync(file("pgdog.toml"), CONFIG);
  writeFileSync(file("users.toml"), USERS);
  // As their owner has them: who may read passwords stays who it was.
  chmodSync(file("pgdog.toml"), 0o664);
  chmodSync(file("users.toml"), 0o640);
  expect(save(["pgdog.toml", "users.toml"])).toEqual([expect.stringContaining('the user "u" is for other servers\' "b" now')]);
  expect([read("pgdog.toml"), read("users.toml")]).toEqual([SAVED, USERS.replace('"a"', '"b"')]);
  expect([read("pgdog.bak.toml"), read("users.bak.toml")]).toEqual([CONFIG, USERS]);
  expect(readdirSync(directory).sort()).toEqual(["pgdog.bak.toml", "pgdog.toml", "users.bak.toml", "users.toml"]);
  const modes = ["pgdog.toml", "pgdog.bak.toml", "users.toml", "users.bak.toml"].map((name) => (statSync(file(name)).mode & 0o777).toString(8));
  expect(modes).toEqual(["664", "664", "640", "640"]);
});

test("one file for both is saved once, where a link leads", () => {
  writeFileSync(file("serve.toml"), CONFIG);
  symlinkSync("serve.toml", file("link.toml"));
  expect(save(["link.toml", "serve.toml"])).toEqual([]);
  expect([read("serve.toml"), read("serve.bak.toml"), readdirSync(directory).length]).toEqual([SAVED, CONFIG, 3]);
});

test("all of them, or none", () => {
  writeFileSync(file("pgdog.toml"), CONFIG);
  writeFileSync(file("more.toml"), '[[users]]\nname = "v"\ndatabase = "${DB}"\n');
  writeFileSync(file("broken.toml"), "[[users]\n");
  for (const [other, why] of [["more.toml", "takes names of databases from the environment"], ["gone.toml", "ENOENT"], ["broken.toml", ""]] as const) {
    expect(save(["pgdog.toml", other])).toEqual([expect.stringMatching(`were left as they are.*${why}`)]);
    expect(read("pgdog.toml")).toBe(CONFIG);
  }
});

test("a process that was killed is gone on behind, wherever it was; not over what was edited meanwhile", () => {
  const texts = { "pgdog.toml": [CONFIG, SAVED], "users.toml": [USERS, USERS.replace('"a"', '"b"')] } as const;
  for (const [config, users] of [[0, 0], [1, 0], [0, 1], [1, 1]] as const) {
    writeFileSync(file("pgdog.toml"), CONFIG);
    writeFileSync(file("users.toml"), USERS);
    const { saving } = beginSaving(["pgdog.toml", "users.toml"].map(file), EXCHANGED);
    writeFileSync(file("pgdog.toml"), texts["pgdog.toml"][config]);
    writeFileSync(file("users.toml"), texts["users.toml"][users]);
    expect(finishSaving(saving!)).toEqual([]);
    expect([read("pgdog.toml"), read("users.toml")]).toEqual([SAVED, texts["users.toml"][1]]);
    writeFileSync(file("users.toml"), `${USERS}# edited`);
    expect(finishSaving(saving!)).toEqual([expect.stringMatching(/users\.toml changed while databases were being renamed \(a to b, b to a\): look/)]);
    expect(read("users.toml")).toBe(`${USERS}# edited`);
  }
});

test("a file that cannot be written leaves the others as they were", () => {
  writeFileSync(file("pgdog.toml"), CONFIG);
  writeFileSync(file("users.toml"), USERS);
  const { saving } = beginSaving(["pgdog.toml", "users.toml"].map(file), EXCHANGED);
  // Nobody can open the temporary file in its place, not even root.
  symlinkSync(file("no/where"), file(`.users.toml.${process.pid}.tmp`));
  expect(finishSaving(saving!)).toEqual([expect.stringContaining("were left as they are")]);
  expect([read("pgdog.toml"), read("users.toml")]).toEqual([CONFIG, USERS]);
});
