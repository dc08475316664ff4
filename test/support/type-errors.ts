import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { complaints, ROOT } from "./complaints.js";

/** What the compiler says of a project; the other core is for other tests. */
export async function projectTypeErrors(project: string): Promise<string> {
  return await complaints("typescript/bin/tsc", "--noEmit", "--pretty", "false", "--singleThreaded", "-p", project);
}

/** What the compiler says of files under this project's settings, where "pg-reshard" is what was built; wherever they lie. */
export async function typeErrors(files: readonly string[]): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-types-"));
  try {
    const project = path.join(directory, "tsconfig.json");
    const paths = { "pg-reshard": "dist/index.d.ts", "pg-reshard/testing": "dist/testing.d.ts", zod: "node_modules/zod/index.d.ts" };
    writeFileSync(project, JSON.stringify({
      extends: path.join(ROOT, "tsconfig.json"),
      compilerOptions: {
        allowImportingTsExtensions: true,
        typeRoots: [path.join(ROOT, "node_modules/@types")],
        paths: Object.fromEntries(Object.entries(paths).map(([name, place]) => [name, [path.join(ROOT, place)]])),
      },
      files,
      include: [],
    }));
    return await projectTypeErrors(project);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
