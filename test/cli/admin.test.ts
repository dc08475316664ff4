import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { displayWidth } from "../../src/cli/view/fit.js";
import { records } from "../../src/cli/view/records.js";
import { ADMIN, idleGateway, startAdmin } from "../support/admin-database.js";
import { recordedTerminal } from "./terminal.js";

/** A configuration of which the admin database is at a port. */
function configuration(port: number, password = ADMIN.password): string[] {
  const directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  onTestFinished(() => { rmSync(directory, { recursive: true, force: true }); });
  const file = path.join(directory, "pgdog.toml");
  writeFileSync(file, `[general]\nhost = "0.0.0.0"\nport = ${port}\n[admin]\n${password === "" ? "" : `password = "${password}"\n`}[[databases]]\nname = "prod"\nhost = "127.0.0.1"\nuser = "u"\npassword = "s3cret"\n`);
  return ["--config", file];
}

async function run(words: readonly string[]): Promise<{ code: number; out: string; err: string; objects: Record<string, unknown>[] }> {
  const terminal = recordedTerminal({ json: words.includes("--json") });
  const code = await runCommandLine(words, terminal);
  return { code, ...terminal.written, objects: words.includes("--json") ? terminal.objects() : [] };
}

describe("pg-reshard admin", () => {
  it("prints what the admin database answers, in 80 columns, or as JSON", async () => {
    const gateway = idleGateway();
    const { port } = await startAdmin(undefined, gateway);
    const flags = configuration(port);
    const { code, out, err } = await run(["admin", "show routes;", ...flags]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toBe([
      "database  future     calls  statement  reason",
      "prod      refused        1  SELECT 2   it is",
      "prod      one shard      5  SELECT $1",
      "",
    ].join("\n"));
    const help = await run(["admin", "SHOW HELP", "RELOAD", ...flags]);
    expect(help.out).toMatch(/^-\[ 1 \]-+\ncommand {5}\| RESHARD source destination publication \[slot\]\ndescription \| Move a database/);
    expect(Math.max(...help.out.split("\n").map(displayWidth))).toBeLessThanOrEqual(80);
    expect(help.out).toMatch(/\n\nRELOAD\n$/);
    expect(help.err).toContain("one thing changed");
    expect(gateway.calls).toEqual(["reload"]);
    expect((await run(["admin", "SHOW ROUTES; SHOW TASKS", "--json", ...flags])).objects).toEqual([
      expect.objectContaining({ type: "result", command: "admin", ok: true, results: [
        { tag: "SHOW", rows: [{ database: "prod", future: "refused", calls: 1, statement: "SELECT 2", reason: "it is" }, { database: "prod", future: "one shard", calls: 5, statement: "SELECT $1", reason: null }] },
        { tag: "SHOW", rows: [] },
      ] }),
    ]);
    expect(await run(["admin", "STOP_TASK 5", ...flags])).toMatchObject({ code: 1, out: "stop_task\ntask not found\n" });
  });

  it("tells errors as any command does", async () => {
    const { port } = await startAdmin();
    const flags = configuration(port);
    expect(await run(["admin", "SHOW TASK", ...flags])).toMatchObject({ code: 1, out: "", err: 'error SYNTAX_ERROR: syntax error at or near "TASK" (at character 6 of "SHOW TASK")\n  remedy: Did you mean SHOW TASKS? SHOW HELP lists what can be shown.\n' });
    expect((await run(["admin", "CUTOVER", "--json", ...flags])).objects.at(-1)).toMatchObject({ type: "error", code: "NOT_REPLICATING", remedy: expect.stringContaining("SHOW TASKS") as string });
    const wrong = await run(["admin", "SHOW TASKS", ...configuration(port, "wrong-one")]);
    expect(wrong).toMatchObject({ code: 1, err: expect.stringMatching(/^error LOGIN_REFUSED: The admin database 127\.0\.0\.1:\d+\/admin refused the login of user "admin"/) as string });
    expect(wrong.err).not.toContain("wrong-one");
    expect(await run(["admin", "SHOW TASKS", ...configuration(port, "")])).toMatchObject({ code: 1, err: expect.stringContaining("ADMIN_PASSWORD_MISSING") as string });
    expect(await run(["admin", "SHOW TASKS", "--port", "1", ...flags])).toMatchObject({ code: 1, err: expect.stringMatching(/^error SERVER_UNREACHABLE: .*127\.0\.0\.1:1\/admin.*\n {2}remedy: Start pg-reshard serve/) as string });
  });
});

describe("records", () => {
  it("is a table where that fits, numbers on the right", () => {
    expect(records({ columns: ["id", "name"], numbers: new Set(["id"]), rows: [["5", "a"], ["123", undefined]] }, 80)).toEqual([" id  name", "  5  a", "123"]);
    expect(records({ columns: ["id", "name"], numbers: new Set(), rows: [] }, 80)).toEqual(["id  name", "no rows"]);
  });

  it("is one value a line where it does not, broken between words, without NULL", () => {
    expect(records({ columns: ["id", "text", "none"], numbers: new Set(["id"]), rows: [["5", "one two three four five six", undefined], ["6", "0123456789012345678901234567", undefined]] }, 24)).toEqual([
      "-[ 1 ]------------------",
      "id   | 5",
      "text | one two three",
      "     | four five six",
      "-[ 2 ]------------------",
      "id   | 6",
      "text | 01234567890123456",
      "     | 78901234567",
    ]);
  });

  it("never shows what would move the cursor", () => {
    expect(records({ columns: ["\u001b[2J"], numbers: new Set(), rows: [["\u001b[31mred"]] }, 80).join("")).not.toContain("\u001b");
  });
});
