import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { outcomeOf, startCommand } from "../support/cli.js";

describe("the process", () => {
  it("prints help on standard output and exits 0", async () => {
    expect(await outcomeOf(["--help"])).toMatchObject({ code: 0, err: "", out: expect.stringContaining("Usage: pg-reshard [options] [command]") as string });
  });

  it("exits 2 on wrong usage and 78 on a bad configuration, and says why on standard error", async () => {
    const [usage, configuration] = await Promise.all([outcomeOf(["run"]), outcomeOf(["run", "none.toml"])]);
    expect(usage).toEqual({ code: 2, out: "", err: "error: missing required argument 'file'\nSee pg-reshard --help.\n" });
    expect(configuration).toMatchObject({ code: 78, out: "", err: expect.stringContaining("none.toml") as string });
  });

  it("prints errors as JSON where it is asked to", async () => {
    const { ended, events, stderr } = startCommand(["run", "none.toml", "--json"]);
    expect([await ended, stderr()]).toEqual([78, ""]);
    expect(events).toEqual([expect.objectContaining({ type: "error", code: "CONFIGURATION" })]);
  });

  it("gives operators in TypeScript the package that it is itself", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-process-"));
    const file = path.join(directory, "p.toml");
    writeFileSync(path.join(directory, "a.ts"), 'import { defineOperator, perRow, ReshardError } from "pg-reshard";\nimport { z } from "zod";\nexport default defineOperator({ name: "a", options: z.strictObject({}), create: () => perRow({ writes: [] }, () => { throw new ReshardError("OF_ONE_CLASS", "no"); }) });\n');
    const test = '[[tests]]\nname = "its errors are ours"\ntable = "a"\ncolumns = { id = "bigint primary key" }\nrows = [{ id = 1 }]\nexpect_error = "OF_ONE_CLASS"\n';
    writeFileSync(file, `[operators.a]\ntype = "./a.ts"\n[[stages]]\ntype = "flow"\nsource = "b"\noperators = ["a"]\nsink = "c"\n[sources.b]\ntype = "copy-file"\npath = "x"\ntable = "a"\ncolumns = ["id bigint"]\n[sinks.c]\ntype = "null"\n${test}`);
    expect(await outcomeOf(["test", file])).toMatchObject({ code: 0, err: "", out: expect.stringContaining("1 test passed") as string });
    rmSync(directory, { recursive: true, force: true });
  });
});
