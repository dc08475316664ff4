import { Buffer } from "node:buffer";
import { ConfigurationError, problemText, type Problem } from "../../src/config/configuration-error.js";
import { loadDatabases, loadPipelineFile, readPipelineFile, type DatabaseFlags } from "../../src/config/load.js";
import type { ReadFile } from "../../src/config/read-document.js";
import type { Environment } from "../../src/config/environment.js";
import type { FlowPipeline, Pipeline } from "../../src/config/types.js";

/** A file system of these files only. */
export function filesOf(files: Readonly<Record<string, string>>): ReadFile {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
    return Buffer.from(text);
  };
}

export const PIPELINE_HEAD = `[pipeline]
from = "prod"
to = "prod_2x"
publication = "all_tables"
`;

/** Nine lines from line 6 on, after PIPELINE_HEAD and an empty line. */
export const DATABASES = `
[[databases]]
name = "prod"
host = "old"
user = "postgres"

[[databases]]
name = "prod_2x"
host = "shard-0"
user = "postgres"

[[databases]]
name = "prod_2x"
host = "shard-1"
shard = 1
user = "postgres"
`;

export function loadText(text: string, environment: Environment = {}): Pipeline {
  return loadPipelineFile("p.toml", environment, filesOf({ "p.toml": text }));
}

export function flags(change: Partial<DatabaseFlags> = {}): DatabaseFlags {
  return { config: "pgdog.toml", users: "users.toml", from: "prod", to: "prod_2x", publication: "all_tables", stages: [{ type: "copy" }], ...change };
}

export function loadFiles(files: Readonly<Record<string, string>>, change: Partial<DatabaseFlags> = {}, environment: Environment = {}): Pipeline {
  return loadDatabases(flags(change), environment, filesOf(files));
}

/** The problems of a load that has to fail. */
export function problemsOf(load: () => unknown): readonly Problem[] {
  let loaded: unknown;
  try {
    loaded = load();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  throw new Error(`expected mistakes, but it loaded: ${JSON.stringify(loaded, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))}`);
}

export function linesOf(load: () => unknown): readonly string[] {
  return problemsOf(load).map(problemText);
}

/** As `loadText`, of a file that may have flows and commands only. */
export function readText(text: string, environment: Environment = {}): Pipeline | FlowPipeline {
  return readPipelineFile("p.toml", environment, filesOf({ "p.toml": text }));
}
