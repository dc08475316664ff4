import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataSyncStages } from "../../src/cli/data-sync-stages.js";
import { perform } from "../../src/cli/perform.js";
import { loadPipeline } from "../../src/cli/pipeline-choice.js";
import { runCommandLine } from "../../src/cli/program.js";
import { stopOnSignals } from "../../src/cli/stop-signals.js";
import { STANDARD_STAGES } from "../../src/config/stages.js";
import { ReshardError } from "../../src/errors.js";
import { recordedTerminal } from "./terminal.js";

const COMMANDS = ["check", "run", "rollback", "schema-sync", "data-sync", "diff", "verify", "status", "finish", "demo"];
const THREE = ["--from-database", "a", "--to-database", "b", "--publication", "p"];

const PGDOG = `
[[databases]]
name = "a"
host = "127.0.0.1"
port = 1
[[databases]]
name = "b"
host = "127.0.0.1"
port = 2
`;
const USERS = '[[users]]\nname = "u"\ndatabases = ["a", "b"]\npassword = "s3cret"\nschema_admin = true\n';

let directory: string;
const file = (name: string): string => path.join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  writeFileSync(file("pgdog.toml"), PGDOG);
  writeFileSync(file("users.toml"), USERS);
  writeFileSync(file("pipeline.toml"), `[pipeline]\nfrom = "a"\nto = "b"\npublication = "p"\n${PGDOG}${USERS}`);
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function run(words: readonly string[]): Promise<{ code: number; out: string; err: string; objects: Record<string, unknown>[] }> {
  const terminal = recordedTerminal({ json: words.includes("--json") });
  const code = await runCommandLine(words, terminal);
  return { code, ...terminal.written, objects: words.includes("--json") ? terminal.objects() : [] };
}

describe("help", () => {
  it.each(COMMANDS)("of %s is short, has an example and exits 0", async (command) => {
    const { code, out } = await run([command, "--help"]);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: pg-reshard ${command}`);
    expect(out).toMatch(new RegExp(`Examples?:\\n {2}pg-reshard ${command}`));
    expect(out).toContain("--json");
  });

  it("names every command, and is what no command at all gives, as wrong usage", async () => {
    const { code, out } = await run(["--help"]);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(out).toMatch(new RegExp(`^ {2}${command} `, "m"));
    expect(await run([])).toMatchObject({ code: 2, err: out });
    expect(await run(["--version"])).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string });
  });
});

describe("wrong usage exits 2", () => {
  it.each([
    [["frobnicate"], "unknown command 'frobnicate'"],
    [["statsu"], "Did you mean status?"],
    [["run"], "missing required argument 'file'"],
    [["run", "a.toml", "b.toml"], "too many arguments"],
    [["run", "a.toml", "--frob"], "unknown option '--frob'"],
    [["run", "a.toml", "--config", "b.toml"], "--config does not go with a pipeline file"],
    [["--users", "b.toml", "run", "a.toml"], "--users does not go with a pipeline file"],
    [["status", "a.toml", "--publication", "p"], "--publication does not go with a pipeline file"],
    [["verify", "a.toml", "--allow-partial-publication"], "--allow-partial-publication does not go with a pipeline file"],
    [["verify"], "name a pipeline file, or all of --from-database, --to-database and --publication"],
    [["finish", "--from-database", "a", "--to-database", "b"], "name a pipeline file, or all of"],
    [["data-sync", "--from-database", "a", "--to-database", "b"], "required option '--publication <name>' not specified"],
    [["data-sync", ...THREE, "--sync-only", "--replicate-only"], "cannot be used with"],
    [["data-sync", ...THREE, "--sync-only", "--until-caught-up"], "cannot be used with"],
    [["schema-sync", ...THREE, "--cutover", "--data-sync-complete"], "cannot be used with"],
    [["schema-sync", ...THREE, "--cutover", "--post-cutover"], "cannot be used with"],
    [["schema-sync", ...THREE, "--post-cutover", "--data-sync-complete"], "cannot be used with"],
    [["schema-sync", ...THREE, "--cutover", "--sequences", "shared"], "Allowed choices are sharded, interleaved, same"],
    [["demo", "--rows", "1e6"], "It has to be a whole number from 1 to"],
    [["demo", "--shards", "0"], "It has to be a whole number from 1 to"],
  ])("%j", async (words, message) => {
    const { code, out, err } = await run(words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
    expect(await run([...words, "--json"])).toMatchObject({ code: 2, err: "", objects: [{ type: "error", code: "USAGE" }] });
  });
});

describe("bad configuration exits 78", () => {
  it("names the file, for people and for programs", async () => {
    expect(await run(["run", file("none.toml")])).toMatchObject({ code: 78, out: "", err: expect.stringMatching(/^error CONFIGURATION: 1 mistake[^]*none\.toml[^]*\n {2}remedy: /) as string });
    const { code, err, objects } = await run(["data-sync", ...THREE, "--config", file("none.toml"), "--json"]);
    expect({ code, err }).toEqual({ code: 78, err: "" });
    expect(objects.at(-1)).toMatchObject({ type: "error", code: "CONFIGURATION", problems: expect.arrayContaining([expect.objectContaining({ code: "UNREADABLE_FILE" })]) as unknown });
  });
});

describe("a failure exits 1", () => {
  it("says which server cannot be reached, and no password", async () => {
    const { code, out, err } = await run(["status", file("pipeline.toml")]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/^error SERVER_UNREACHABLE: Cannot connect to 127\.0\.0\.1:2\/b: .*ECONNREFUSED/);
    expect(err).not.toContain("s3cret");
    const flags = ["--config", file("pgdog.toml"), "--users", file("users.toml")];
    expect((await run(["finish", ...THREE, ...flags, "--json"])).objects.at(-1)).toMatchObject({ type: "error", code: "SERVER_UNREACHABLE", place: { server: "127.0.0.1:2/b" } });
  });
});

describe("data-sync's stages", () => {
  const names = (flags: Parameters<typeof dataSyncStages>[0]): string[] =>
    dataSyncStages(flags).map((stage) => (stage.type === "schema_sync" ? stage.phase : stage.type === "replicate" ? stage.until : stage.type));

  it.each([
    [{}, ["pre", "copy", "post", "stopped"]],
    [{ untilCaughtUp: true }, ["pre", "copy", "post", "caught-up"]],
    [{ skipSchemaSync: true }, ["copy", "stopped"]],
    [{ syncOnly: true }, ["pre", "copy", "post"]],
    [{ syncOnly: true, skipSchemaSync: true }, ["copy"]],
    [{ replicateOnly: true }, ["stopped"]],
    [{ replicateOnly: true, untilCaughtUp: true }, ["caught-up"]],
  ])("%j", (flags, stages) => {
    expect(names(flags)).toEqual(stages);
  });
});

describe("loadPipeline", () => {
  it("takes stages and slot from the command, else stages from the file", () => {
    const choice = { kind: "databases", config: file("pgdog.toml"), users: file("users.toml"), usersOptional: false, from: "a", to: "b", publication: "p" } as const;
    const pipeline = loadPipeline(choice, {}, { stages: [{ type: "copy" }], slot: "s" });
    expect(pipeline).toMatchObject({ from: { name: "a" }, to: { name: "b" }, publication: "p", slot: "s", stages: [{ type: "copy" }], allowPartialPublication: false });
    expect(loadPipeline({ ...choice, allowPartialPublication: true }, {}).allowPartialPublication).toBe(true);
    expect([pipeline.sequences, loadPipeline(choice, {}, { sequences: "same" }).sequences]).toEqual(["sharded", "same"]);
    const path = file("pipeline.toml");
    expect(loadPipeline({ kind: "file", path }, {}).stages).toEqual(STANDARD_STAGES);
    expect(loadPipeline({ kind: "file", path }, {}, { stages: [{ type: "verify" }] }).stages).toEqual([{ type: "verify" }]);
  });

  it("needs no users file unless one is named", () => {
    writeFileSync(file("with-users.toml"), PGDOG + USERS);
    const choice = { kind: "databases", config: file("with-users.toml"), users: file("none.toml"), from: "a", to: "b", publication: "p" } as const;
    expect(loadPipeline({ ...choice, usersOptional: true }, {}).from.name).toBe("a");
    expect(() => loadPipeline({ ...choice, usersOptional: false }, {})).toThrow(/none\.toml/);
  });
});

describe("perform", () => {
  class Signals extends EventEmitter {
    exited: number | undefined;
    exit(code: number): void {
      this.exited = code;
    }
  }

  it("ends with one result, and exit code 1 where the work found something wrong", async () => {
    const terminal = recordedTerminal({ json: true });
    const code = await perform(terminal, "verify", async ({ report }) => {
      report({ type: "note", message: "hm" });
      return await Promise.resolve({ ok: false, text: "text", fields: { sound: false, position: 5n } });
    });
    expect(code).toBe(1);
    expect(terminal.objects()).toEqual([
      { type: "note", time: expect.any(String) as string, message: "hm" },
      { type: "result", command: "verify", ok: false, milliseconds: expect.any(Number) as number, sound: false, position: "0/5" },
    ]);
  });

  it("explains what a server says", async () => {
    const terminal = recordedTerminal();
    const refused = Object.assign(new Error("permission denied for table t"), { code: "42501" });
    expect(await perform(terminal, "x", () => Promise.reject(refused))).toBe(1);
    expect(terminal.written.err).toMatch(/^error PRIVILEGE_MISSING: /);
  });

  it.each(["SIGINT", "SIGTERM"])("asks for a stop at the first %s, ends at once at the second, and listens no longer than it works", async (name) => {
    const terminal = recordedTerminal();
    const signals = new Signals();
    const code = await perform(
      terminal,
      "run",
      async ({ signal }) => {
        signals.emit(name);
        expect(signal.aborted).toBe(true);
        expect(signals.exited).toBeUndefined();
        signals.emit(name);
        expect(signals.exited).toBe(130);
        return await Promise.reject(new ReshardError("INTERRUPTED", "Stopped."));
      },
      signals,
    );
    expect(code).toBe(1);
    expect(terminal.written.err).toBe("finishing what is on the way … (once more to stop at once)\n\nerror INTERRUPTED: Stopped.\n");
    expect(signals.listenerCount(name)).toBe(0);
  });

  it("says nothing twice", () => {
    const signals = new Signals();
    let said = 0;
    const stop = stopOnSignals(signals, () => { said++; });
    signals.emit("SIGTERM");
    signals.emit("SIGINT");
    expect({ said, exited: signals.exited, aborted: stop.signal.aborted }).toEqual({ said: 1, exited: 130, aborted: true });
    stop.dispose();
  });
});
