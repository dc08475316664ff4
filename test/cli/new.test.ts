import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { loadPipelineFile } from "../../src/config/load.js";
import { RunningChain } from "../../src/operators/running-chain.js";
import { loadOperators } from "../../src/pipelines/load-operators.js";
import { chainFor } from "../../src/pipelines/table-chain.js";
import type { TableShape } from "../../src/table-batch.js";
import { TableBatch } from "../../src/table-batch.js";
import { typeErrors } from "../support/type-errors.js";
import { recordedTerminal } from "./terminal.js";

let directory: string;
beforeAll(() => { directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-new-")); });
afterAll(() => { rmSync(directory, { recursive: true, force: true }); });

async function run(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = recordedTerminal();
  return { code: await runCommandLine(words, terminal), ...terminal.written };
}

describe("new", () => {
  it("writes an operator that a new pipeline file can use", async () => {
    const pipeline = path.join(directory, "moves", "staging.toml");
    expect(await run("new", "pipeline", path.join(directory, "moves", "staging"))).toMatchObject({ code: 0, out: `${pipeline}\n\nNext: pg-reshard check ${pipeline}, pg-reshard test ${pipeline}\n` });
    expect(await run("test", pipeline)).toMatchObject({ code: 0, out: expect.stringContaining("\n2 tests passed.\n") as unknown });
    expect(await run("check", pipeline)).toMatchObject({ code: 0, out: "app (1 shard) to app_sharded (2 shards): the configuration has no mistakes. The servers were not asked (--connect).\n" });

    const { code, out } = await run("new", "operator", path.join(directory, "moves", "mask_mails"));
    expect(code).toBe(0);
    expect(await run("test", path.join(directory, "moves", "mask_mails.toml"))).toMatchObject({ code: 0, out: expect.stringContaining("\n2 tests passed.\n") as unknown });
    const [, said] = /stages:\n\n([^]*)\n\nTry/u.exec(out)!;
    writeFileSync(pipeline, `${readFileSync(pipeline, "utf8").replaceAll(/type = "(?:copy|replicate)"/gu, '$&\noperators = ["mask_mails"]')}\n${said!}\n`);
    const loaded = await loadOperators(loadPipelineFile(pipeline, { MASK_KEY: "0123456789abcdef" }).operators);
    const told: string[] = [];
    const listener = { note: (message: string) => told.push(message), count: () => undefined };

    const table: TableShape = { schema: "public", name: "users", columns: [{ name: "id", type: "text", partOfKey: true }, { name: "email", type: "text", partOfKey: false }] };
    const column = new RunningChain(chainFor(loaded, table, listener)!).rows(batchOf(table, [["1", "a@b.c"], ["2", "x@y.z"], ["3", "a@b.c"], ["4", null]])).column("email");
    const [first, second, third, fourth] = [0, 1, 2, 3].map((row) => column.value(row));
    expect(first).toMatch(/^[0-9a-f]{12}@masked\.test$/u);
    expect({ third, fourth, different: second !== first }).toEqual({ third: first, fourth: null, different: true });
    expect(chainFor(loaded, { ...table, name: "orders", columns: table.columns.slice(0, 1) }, listener)).toBeUndefined();
    expect(told).toEqual(['Operator "mask_mails": orders has no column email: its rows are left as they are']);
  });

  it("writes an operator that keeps to strict types", async () => {
    expect((await run("new", "operator", path.join(directory, "typed", "mask"))).code).toBe(0);
    writeFileSync(path.join(directory, "typed", "package.json"), '{ "type": "module" }');
    expect(await typeErrors([path.join(directory, "typed", "mask.ts")])).toBe("");
  });

  it("overwrites nothing", async () => {
    mkdirSync(path.join(directory, "own"));
    const file = path.join(directory, "own", "mine.ts");
    writeFileSync(file, "mine");
    expect(await run("new", "operator", path.join(directory, "own", "mine"))).toMatchObject({ code: 1, err: expect.stringContaining("error FILE_EXISTS:") as unknown });
    expect(readFileSync(file, "utf8")).toBe("mine");
  });

  it.each(["mask.ts", "5th", "", "a b", "."])("refuses the name %j", async (name) => {
    expect((await run("new", "operator", name)).code).toBe(2);
  });
});

/** Rows of text values. */
function batchOf(table: TableShape, rows: readonly (readonly (string | null)[])[]): TableBatch {
  const values = rows.flat();
  const buffer = Buffer.from(values.map((value) => value ?? "").join(""));
  let at = 0;
  const offsets = values.map((value) => (at += value?.length ?? 0) - (value?.length ?? 0));
  return TableBatch.of({
    table, format: "text", count: rows.length, sequence: 1, bytes: buffer.length,
    locate: () => ({ buffer, offsets: Int32Array.from(offsets), lengths: Int32Array.from(values, (value) => value?.length ?? -1), texts: new Uint8Array(values.length) }),
  });
}
