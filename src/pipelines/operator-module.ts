import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";
import { ReshardError } from "../errors.js";
import type { OperatorDefinition } from "../operators/table-operator.js";
import { packageFile, runsFromSources } from "../package-file.js";

/** Node 20 does not read these by itself. */
const TYPESCRIPT: ReadonlySet<string> = new Set([".ts", ".mts", ".cts"]);
const JAVASCRIPT: ReadonlySet<string> = new Set([".js", ".mjs", ".cjs"]);

/** Is it the path of a module, and no stock operator's name? */
export function isModulePath(type: string): boolean {
  return /^(?:\.{0,2}\/|[A-Za-z]:)/u.test(type) || TYPESCRIPT.has(extname(type)) || JAVASCRIPT.has(extname(type));
}

/**
 * The operator that a module exports: by default, or as the only one among its exports.
 *
 * A module in TypeScript finds this process's own `pg-reshard`, wherever it lies, and its `rxjs` and `zod` where it has none.
 *
 * @param path - absolute
 * @throws ReshardError OPERATOR_MODULE_FAILED, whose cause is what the module threw
 */
export async function operatorOfModule(path: string): Promise<OperatorDefinition> {
  const exports = await exportsOf(path);
  if (isDefinition(exports["default"])) return exports["default"];
  const named = Object.entries(exports).filter((entry): entry is [string, OperatorDefinition] => isDefinition(entry[1]));
  const [only, ...more] = named;
  if (only === undefined) throw failed("exports no operator", "export default defineOperator({ name, options, create })");
  if (more.length > 0) throw failed(`exports several operators: ${named.map(([name]) => name).join(", ")}`, "one of them as its default export");
  return only[1];
}

async function exportsOf(path: string): Promise<Readonly<Record<string, unknown>>> {
  let isFile: boolean;
  try {
    isFile = (await stat(path)).isFile();
  } catch {
    isFile = false;
  }
  if (!isFile) throw failed("is not there", `a module at ${path}`);
  if (!TYPESCRIPT.has(extname(path)) && !JAVASCRIPT.has(extname(path))) throw failed("is neither TypeScript nor JavaScript", `a file that ends in ${[...TYPESCRIPT, ...JAVASCRIPT].join(", ")}`);
  const own: unknown = TYPESCRIPT.has(extname(path)) ? await import(OWN_ENTRY) : undefined;
  try {
    return own !== undefined ? await importTypeScript(path, own) : ((await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>);
  } catch (cause) {
    throw failed(`cannot be loaded: ${firstLine(cause)}`, "a module that loads", cause);
  }
}

const OWN_PACKAGE = "pg-reshard";
/** Read at run time: this package's own entry, which is above everything here. Sources find sources, what is built what is built. */
const OWN_ENTRY = packageFile(runsFromSources ? "src/index.ts" : "dist/index.js").href;

async function importTypeScript(path: string, own: unknown): Promise<Readonly<Record<string, unknown>>> {
  const { createJiti } = await import("jiti");
  const options = { fsCache: false, interopDefault: false, sourceMaps: false };
  const virtualModules: Record<string, unknown> = { [OWN_PACKAGE]: own };
  const finder = createJiti(path, options);
  for (const [name, load] of [["rxjs", () => import("rxjs")], ["zod", () => import("zod")]] as const) {
    if (finder.esmResolve(name, { try: true }) === undefined) virtualModules[name] = await load();
  }
  return await createJiti(path, { ...options, virtualModules }).import(path);
}

function failed(what: string, expected: string, cause?: unknown): ReshardError {
  return new ReshardError("OPERATOR_MODULE_FAILED", what, { remedy: expected, cause });
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // jiti begins what the parser says with the parser's name, and puts the place on a line of its own.
  return message.replace(/^ParseError:\s*/u, "").split("\n").map((line) => line.trim()).filter((line) => line !== "").slice(0, 2).join(", ");
}

function isDefinition(value: unknown): value is OperatorDefinition {
  if (typeof value !== "object" || value === null) return false;
  const { name, options, create } = value as Partial<Record<keyof OperatorDefinition, unknown>>;
  return typeof name === "string" && typeof create === "function" && typeof options === "object" && options !== null && "safeParse" in options && typeof options.safeParse === "function";
}
