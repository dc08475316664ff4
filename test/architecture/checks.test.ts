import { execFile } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";

/* The types and the lint, beside the other tests instead of before them: either takes one core for most of a minute. */

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Runs a package's program to its end; gives what it says where something is wrong. */
async function complaints(program: string, ...words: string[]): Promise<string> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [path.join(ROOT, "node_modules", program), ...words], { cwd: ROOT, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve(error === null ? "" : `${stdout}${stderr}` || error.message);
    });
  });
}

test("the types of everything fit", async () => {
  expect(await complaints("typescript/bin/tsc", "--noEmit", "--pretty", "false")).toBe("");
}, 600_000);

test("the linter is content", async () => {
  expect(await complaints("eslint/bin/eslint.js", ".")).toBe("");
}, 600_000);
