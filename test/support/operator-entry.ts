import type { OperatorEntry } from "../../src/config/types.js";

/** An `[operators.NAME]` section of a pipeline that no file has. */
export function operatorEntry(name: string, type: string, options: Readonly<Record<string, unknown>>, tables?: readonly string[]): OperatorEntry {
  return { name, type, tables, options, fromEnvironment: [], place: { file: "p.toml", line: 1, column: 1 }, places: {}, keyPlaces: {} };
}
