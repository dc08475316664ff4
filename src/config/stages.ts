import type { Problem } from "./configuration-error.js";
import { didYouMean } from "./did-you-mean.js";
import { Substituted, type Environment } from "./environment.js";
import { STAGES } from "./grammar.js";
import { problemAt, readRow, textIn, typeText } from "./rows.js";
import { arrayOfTables } from "./sections.js";
import { isTable, type TomlDocument } from "./toml-document.js";
import type { Stage } from "./types.js";

/** What a pipeline without `[[stages]]` does. */
export const STANDARD_STAGES: readonly Stage[] = [
  { type: "schema_sync", phase: "pre" },
  { type: "copy" },
  { type: "schema_sync", phase: "post" },
  { type: "replicate", until: "caught-up" },
  { type: "verify" },
];

const TYPES = Object.keys(STAGES);
const TYPES_EXPECTED = TYPES.map((type) => JSON.stringify(type)).join(", ");

/** The `[[stages]]` of a pipeline file, in order; the standard ones where it has none. */
export function stagesOf(document: TomlDocument, environment: Environment, problems: Problem[]): readonly Stage[] {
  if (document.value["stages"] === undefined) return STANDARD_STAGES;
  const rows = arrayOfTables(document, "stages", environment, problems);
  if (rows.length === 0 && Array.isArray(document.value["stages"])) {
    problems.push(
      problemAt(
        document.valueAt(["stages"]),
        "WRONG_VALUE",
        '"stages" is empty',
        "at least one stage, or none of the key for the standard order",
      ),
    );
  }
  const stages = rows.map((raw, index) => stageOf(document, index, raw, problems));
  const cutover = stages.findIndex((stage) => stage?.type === "cutover");
  if (cutover >= 0 && cutover < stages.length - 1) {
    problems.push(problemAt(document.valueAt(["stages", cutover + 1]), "CONFLICT", "a stage comes after the cutover", "the stage of type \"cutover\" as the last one: the source is left then"));
  }
  return stages.flatMap((stage) => stage ?? []);
}

function stageOf(document: TomlDocument, index: number, raw: unknown, problems: Problem[]): Stage | undefined {
  const path = ["stages", index];
  const type = textIn(raw, "type");
  switch (type) {
    case "schema_sync":
      return readRow(document, path, raw, STAGES.schema_sync, problems)?.value;
    case "copy":
      return readRow(document, path, raw, STAGES.copy, problems)?.value;
    case "replicate":
      return readRow(document, path, raw, STAGES.replicate, problems)?.value;
    case "verify":
      return readRow(document, path, raw, STAGES.verify, problems)?.value;
    case "cutover":
      return readRow(document, path, raw, STAGES.cutover, problems)?.value;
    default:
  }
  const given = isTable(raw) ? raw["type"] : undefined;
  if (!isTable(raw)) {
    problems.push(
      problemAt(
        document.valueAt(path),
        "WRONG_TYPE",
        `an element of "stages" is ${typeText(raw)}`,
        "a table",
      ),
    );
  } else if (given === undefined) {
    problems.push(problemAt(document.keyAt(path), "MISSING", '[[stages]] lacks "type"', TYPES_EXPECTED));
  } else if (!(given instanceof Substituted && given.failed)) {
    const found = typeof given === "string" ? JSON.stringify(given) : typeText(given);
    const suggestion = type === undefined ? undefined : didYouMean(type, TYPES);
    const code = type === undefined ? "WRONG_TYPE" : "WRONG_VALUE";
    problems.push(
      problemAt(
        document.valueAt([...path, "type"]),
        code,
        `"type" is ${found}`,
        TYPES_EXPECTED,
        suggestion,
      ),
    );
  }
  return undefined;
}
