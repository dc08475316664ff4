import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { saveConfiguration } from "../../src/serve/save-configuration.js";

let directory: string;
beforeEach(() => { directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-")); });
afterEach(() => { rmSync(directory, { recursive: true, force: true }); });

test("both files are saved with a backup; one that cannot be is told of and left", () => {
  const file = (name: string): string => path.join(directory, name);
  const config = '[[databases]]\nname = "a"\nhost = "x"\n[[databases]]\nname = "b"\nhost = "y"\n';
  const users = '[[users]]\nname = "u"\ndatabase = "a"\n';
  writeFileSync(file("pgdog.toml"), config);
  writeFileSync(file("users.toml"), users);
  // As their owner has them: who may read passwords stays who it was.
  chmodSync(file("pgdog.toml"), 0o664);
  chmodSync(file("users.toml"), 0o640);
  writeFileSync(file("more.toml"), '[[users]]\nname = "v"\ndatabase = "${DB}"\n');
  const notes = saveConfiguration(["pgdog.toml", "users.toml", "more.toml", "gone.toml"].map(file), "a", "b");
  expect(readFileSync(file("pgdog.toml"), "utf8")).toBe('[[databases]]\nname = "b"\ndatabase_name = "a"\nhost = "x"\n[[databases]]\nname = "a"\ndatabase_name = "b"\nhost = "y"\n');
  expect(readFileSync(file("users.toml"), "utf8")).toBe('[[users]]\nname = "u"\ndatabase = "b"\n');
  expect(readFileSync(file("pgdog.bak.toml"), "utf8")).toBe(config);
  expect(readFileSync(file("users.bak.toml"), "utf8")).toBe(users);
  expect(readdirSync(directory).sort()).toEqual(["more.toml", "pgdog.bak.toml", "pgdog.toml", "users.bak.toml", "users.toml"]);
  const modes = ["pgdog.toml", "pgdog.bak.toml", "users.toml", "users.bak.toml"].map((name) => (statSync(file(name)).mode & 0o777).toString(8));
  expect(modes).toEqual(["664", "664", "640", "640"]);
  expect(notes).toEqual([expect.stringContaining("more.toml was left as it is: it takes names"), expect.stringContaining("gone.toml was left as it is: ENOENT")]);
});
