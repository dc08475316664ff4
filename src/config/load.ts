import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { ConfigurationError, placeText, type Place, type Problem } from "./configuration-error.js";
import { flowEnds, operatorEntries } from "./entries.js";
import type { Environment } from "./environment.js";
import { DEFAULT_SEQUENCES, FLOW_PIPELINE, PIPELINE, SLOT_NAME, SLOT_NAME_EXPECTED } from "./grammar.js";
import { assembleFlow, assemblePipeline, databasesOf, type DatabaseReference } from "./pipeline.js";
import { isAbsent, readDocument, type ReadFile } from "./read-document.js";
import { problemAt, readRow, textIn } from "./rows.js";
import { readSections, standardTable } from "./sections.js";
import { areAllFree, stagesOf } from "./stages.js";
import type { TomlDocument, TomlTable } from "./toml-document.js";
import type { FlowPipeline, Pipeline, SequenceStrategy, Stage } from "./types.js";

/** What the commands with `--from-database` and `--to-database` were given. */
export interface DatabaseFlags {
  /** `--config`: a pgdog.toml. */
  readonly config: string;
  /** `--users`: a users.toml. */
  readonly users: string;
  /** The users file is only the default one: it need not exist where `[[databases]]` entries have users themselves. */
  readonly usersOptional?: boolean;
  /** `--from-database` */
  readonly from: string;
  /** `--to-database` */
  readonly to: string;
  /** `--publication` */
  readonly publication: string;
  /** `--allow-partial-publication` */
  readonly allowPartialPublication?: boolean | undefined;
  /** `--on-ddl` */
  readonly onDdl?: "stop" | "apply" | undefined;
  /** `--sequences` */
  readonly sequences?: SequenceStrategy | undefined;
  /** `--replication-slot` */
  readonly slot?: string | undefined;
  readonly stages: readonly Stage[];
}

const readWhole: ReadFile = (path) => readFileSync(path);

/**
 * The move of a database that a pipeline file describes, as `readPipelineFile`.
 *
 * @throws ConfigurationError with every mistake of every file, and where the file moves no database.
 */
export function loadPipelineFile(path: string, environment: Environment, readFile: ReadFile = readWhole): Pipeline {
  const pipeline = readPipelineFile(path, environment, readFile);
  if (pipeline.from !== undefined) return pipeline;
  const place = { file: path, line: 1, column: 1 };
  throw new ConfigurationError([problemAt(place, "MISSING", "the file moves no database: its stages are flows and commands", "[pipeline] with from, to and publication, and stages that move rows")]);
}

/**
 * What a pipeline file describes, with the files that its `[pipeline] config` and `users` name (relative to it).
 * Sections of all of them are added up.
 *
 * @throws ConfigurationError with every mistake of every file.
 */
export function readPipelineFile(path: string, environment: Environment, readFile: ReadFile = readWhole): Pipeline | FlowPipeline {
  const problems: Problem[] = [];
  const main = readDocument(path, wholly(path), readFile, problems);
  if (main === undefined) throw new ConfigurationError(problems);
  const table = standardTable(main, "pipeline", environment, problems);
  const free = areAllFree(main);
  if (main.value["pipeline"] === undefined && !free) {
    const place = { file: path, line: 1, column: 1 };
    problems.push(
      problemAt(
        place,
        "MISSING",
        "the file has no [pipeline] section",
        "[pipeline] with from, to and publication",
      ),
    );
  }
  const row = table === undefined || free ? undefined : readRow(main, ["pipeline"], table, PIPELINE, problems)?.value;
  if (table !== undefined && free) readRow(main, ["pipeline"], table, FLOW_PIPELINE, problems);
  const named = filesNamed(path, main, table);
  const others = named.files.flatMap(({ file, place }) => readDocument(file, place, readFile, problems) ?? []);
  const complete = named.complete && others.length === named.files.length;
  const sections = readSections([main, ...others], main, complete, environment, problems);
  const notes = [...sections.notes];
  const databaseNamed = databasesOf(sections, problems, notes);

  const entries = {
    operators: operatorEntries(main, environment, problems),
    sources: flowEnds(main, "sources", environment, problems, databaseNamed),
    sinks: flowEnds(main, "sinks", environment, problems, databaseNamed),
  };
  const { stages, operators } = stagesOf(main, environment, entries, problems);
  for (const [section, { unused }] of Object.entries(entries)) {
    for (const name of unused) notes.push(`${placeText(main.keyAt([section, name]))}: [${section}.${name}] is not used: no stage names it`);
  }

  if (free) {
    const idle = FLOW_PIPELINE.ignored.filter((key) => table?.[key] !== undefined);
    for (const key of idle) notes.push(`${placeText(main.keyAt(["pipeline", key]))}: "${key}" is not used: no stage moves a database`);
    return assembleFlow(sections, stages, problems, notes);
  }
  const reference = (key: string): DatabaseReference | undefined => {
    const name = textIn(table, key);
    return name === undefined || name === "" ? undefined : { name, place: main.valueAt(["pipeline", key]) };
  };
  const order = {
    from: reference("from"),
    to: reference("to"),
    publication: row?.publication,
    allowPartialPublication: row?.allow_partial_publication ?? false,
    onDdl: row?.on_ddl ?? "stop",
    sequences: row?.sequences ?? DEFAULT_SEQUENCES,
    slot: row?.replication_slot,
    stages,
    operators,
  };
  return assemblePipeline(sections, order, databaseNamed, problems, notes);
}

/**
 * The pipeline between two databases of a pgdog.toml and a users.toml.
 *
 * @throws ConfigurationError with every mistake of both files and of the flags.
 */
export function loadDatabases(
  flags: DatabaseFlags,
  environment: Environment,
  readFile: ReadFile = readWhole,
): Pipeline {
  const problems: Problem[] = [];
  const files = [{ file: flags.config, place: wholly("--config") }];
  const withoutUsers = flags.usersOptional === true && isAbsent(flags.users, readFile);
  if (!withoutUsers && resolve(flags.users) !== resolve(flags.config)) {
    files.push({ file: flags.users, place: wholly("--users") });
  }
  const documents = files.flatMap(({ file, place }) => readDocument(file, place, readFile, problems) ?? []);

  if (flags.publication === "") {
    problems.push(
      problemAt(
        wholly("--publication"),
        "WRONG_VALUE",
        "the name is empty",
        "the name of a publication on the source",
      ),
    );
  }
  if (flags.slot !== undefined && !SLOT_NAME.test(flags.slot)) {
    problems.push(
      problemAt(
        wholly("--replication-slot"),
        "WRONG_VALUE",
        "the name cannot be that of a slot",
        SLOT_NAME_EXPECTED,
      ),
    );
  }
  const sections = readSections(documents, undefined, documents.length === files.length, environment, problems);
  const order = {
    from: { name: flags.from, place: wholly("--from-database") },
    to: { name: flags.to, place: wholly("--to-database") },
    publication: flags.publication,
    allowPartialPublication: flags.allowPartialPublication ?? false,
    onDdl: flags.onDdl ?? "stop",
    sequences: flags.sequences ?? DEFAULT_SEQUENCES,
    slot: flags.slot,
    stages: flags.stages,
    operators: [],
  };
  const notes = [...sections.notes];
  return assemblePipeline(sections, order, databasesOf(sections, problems, notes), problems, notes);
}

/** The files that `[pipeline]` names, each once; not complete where a name is there but is none. */
function filesNamed(
  path: string,
  main: TomlDocument,
  table: TomlTable | undefined,
): { readonly files: readonly { readonly file: string; readonly place: Place }[]; readonly complete: boolean } {
  const files = new Map<string, { readonly file: string; readonly place: Place }>();
  let complete = table !== undefined || main.value["pipeline"] === undefined;
  for (const key of ["config", "users"]) {
    const name = textIn(table, key);
    if (name === undefined || name === "") {
      if (table?.[key] !== undefined) complete = false;
      continue;
    }
    const file = isAbsolute(name) ? name : join(dirname(path), name);
    if (resolve(file) !== resolve(path) && !files.has(resolve(file))) {
      files.set(resolve(file), { file, place: main.valueAt(["pipeline", key]) });
    }
  }
  return { files: [...files.values()], complete };
}

function wholly(file: string): Place {
  return { file, line: 0, column: 0 };
}
