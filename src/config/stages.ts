import { placeText, type Problem } from "./configuration-error.js";
import { didYouMean } from "./did-you-mean.js";
import type { Entries } from "./entries.js";
import { Substituted, type Environment } from "./environment.js";
import { STAGES } from "./grammar.js";
import type { Path } from "./position-index.js";
import { problemAt, readRow, textIn, typeText } from "./rows.js";
import { arrayOfTables } from "./sections.js";
import { isTable, type TomlDocument } from "./toml-document.js";
import type { CommandStage, FlowEnd, FlowStage, OperatorEntry, Stage } from "./types.js";

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

/** What stages may name. */
export interface StageEntries {
  readonly operators: Entries<OperatorEntry>;
  readonly sources: Entries<FlowEnd>;
  readonly sinks: Entries<FlowEnd>;
}

export interface Stages {
  readonly stages: readonly Stage[];
  /** Those that copy and replicate name. */
  readonly operators: readonly OperatorEntry[];
}

/** Does a stage work without a database to move? */
export function isFree(stage: Stage): stage is FlowStage | CommandStage {
  return stage.type === "flow" || stage.type === "command";
}

/** Are all stages, as far as their types can be read, flows and commands? */
export function areAllFree(document: TomlDocument): boolean {
  const rows = document.value["stages"];
  return Array.isArray(rows) && rows.length > 0 && rows.every((row) => ["flow", "command"].includes(textIn(row, "type") ?? ""));
}

/** The `[[stages]]` of a pipeline file, in order; the standard ones where it has none. */
export function stagesOf(document: TomlDocument, environment: Environment, entries: StageEntries, problems: Problem[]): Stages {
  if (document.value["stages"] === undefined) return { stages: STANDARD_STAGES, operators: [] };
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
  const reader = new StageReader(document, entries, problems);
  const stages = rows.map((raw, index) => reader.read(index, raw));
  const cutover = stages.findIndex((stage) => stage?.type === "cutover");
  if (cutover >= 0 && cutover < stages.length - 1) {
    problems.push(problemAt(document.valueAt(["stages", cutover + 1]), "CONFLICT", "a stage comes after the cutover", "the stage of type \"cutover\" as the last one: the source is left then"));
  }
  return { stages: stages.flatMap((stage) => stage ?? []), operators: reader.operators };
}

class StageReader {
  readonly #document: TomlDocument;
  readonly #entries: StageEntries;
  readonly #problems: Problem[];
  /** The first of copy and replicate that could be read. */
  #first: { readonly path: Path; readonly names: readonly string[]; readonly operators: readonly OperatorEntry[] } | undefined;

  constructor(document: TomlDocument, entries: StageEntries, problems: Problem[]) {
    this.#document = document;
    this.#entries = entries;
    this.#problems = problems;
  }

  get operators(): readonly OperatorEntry[] {
    return this.#first?.operators ?? [];
  }

  read(index: number, raw: unknown): Stage | undefined {
    const [document, problems] = [this.#document, this.#problems];
    const path = ["stages", index];
    switch (textIn(raw, "type")) {
      case "schema_sync":
        return readRow(document, path, raw, STAGES.schema_sync, problems)?.value;
      case "copy": {
        const row = readRow(document, path, raw, STAGES.copy, problems)?.value;
        if (row === undefined) return undefined;
        this.#share(path, row.operators);
        return { type: "copy" };
      }
      case "replicate": {
        const row = readRow(document, path, raw, STAGES.replicate, problems)?.value;
        if (row === undefined) return undefined;
        this.#share(path, row.operators);
        return { type: "replicate", until: row.until };
      }
      case "verify":
        return readRow(document, path, raw, STAGES.verify, problems)?.value;
      case "cutover":
        return readRow(document, path, raw, STAGES.cutover, problems)?.value;
      case "flow": {
        const row = readRow(document, path, raw, STAGES.flow, problems)?.value;
        if (row === undefined) return undefined;
        const source = this.#entries.sources.named(row.source, document.valueAt([...path, "source"]), problems);
        const operators = this.#operatorsNamed(path, row.operators);
        const sink = this.#entries.sinks.named(row.sink, document.valueAt([...path, "sink"]), problems);
        return source === undefined || sink === undefined ? undefined : { type: "flow", source, operators, sink };
      }
      case "command":
        return readRow(document, path, raw, STAGES.command, problems)?.value;
      default:
        problems.push(...unknownStage(document, path, raw));
        return undefined;
    }
  }

  /** The copy and the stream have to agree: a row passes the same operators whichever way it comes. */
  #share(path: Path, names: readonly string[]): void {
    const operators = this.#operatorsNamed(path, names);
    if (this.#first === undefined) {
      this.#first = { path, names, operators };
    } else if (names.join("\n") !== this.#first.names.join("\n")) {
      const first = placeText(this.#document.valueAt(this.#first.path));
      this.#problems.push(problemAt(this.#document.valueAt([...path, "operators"]), "CONFLICT", `this stage has other operators than the one at ${first}`, `operators = ${JSON.stringify(this.#first.names).replaceAll(",", ", ")} in both: copied and streamed rows have to agree`));
    }
  }

  #operatorsNamed(path: Path, names: readonly string[]): readonly OperatorEntry[] {
    return names.flatMap((name, index) => {
      const place = this.#document.valueAt([...path, "operators", index]);
      if (names.indexOf(name) < index) this.#problems.push(problemAt(place, "CONFLICT", `"operators" names ${JSON.stringify(name)} twice`, "each operator once"));
      return this.#entries.operators.named(name, place, this.#problems) ?? [];
    });
  }
}

function unknownStage(document: TomlDocument, path: Path, raw: unknown): Problem[] {
  if (!isTable(raw)) return [problemAt(document.valueAt(path), "WRONG_TYPE", `an element of "stages" is ${typeText(raw)}`, "a table")];
  const given = raw["type"];
  if (given === undefined) return [problemAt(document.keyAt(path), "MISSING", '[[stages]] lacks "type"', TYPES_EXPECTED)];
  // Already reported as a variable that is not set.
  if (given instanceof Substituted && given.failed) return [];
  const type = textIn(raw, "type");
  const found = typeof given === "string" ? JSON.stringify(given) : typeText(given);
  const suggestion = type === undefined ? undefined : didYouMean(type, TYPES);
  return [problemAt(document.valueAt([...path, "type"]), type === undefined ? "WRONG_TYPE" : "WRONG_VALUE", `"type" is ${found}`, TYPES_EXPECTED, suggestion)];
}
