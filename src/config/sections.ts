import { type Place, placeText, quoted, type Problem } from "./configuration-error.js";
import { didYouMean } from "./did-you-mean.js";
import { substituteEnvironment, type Environment } from "./environment.js";
import {
  CUTOVER,
  DATABASES,
  GENERAL,
  OMNISHARDED_TABLES,
  PIPELINE,
  REPLICATION,
  SHARDED_MAPPINGS,
  SHARDED_SCHEMAS,
  SHARDED_TABLES,
  USERS,
  type CutoverRow,
  type DatabaseRow,
  type GeneralRow,
  type Grammar,
  type OmnishardedRow,
  type ShardedMappingRow,
  type ShardedSchemaRow,
  type ShardedTableRow,
  type UserRow,
} from "./grammar.js";
import { PROXY_SECTIONS } from "./proxy-keys.js";
import { problemAt, readRow, readRows, typeText, type Rows } from "./rows.js";
import { isTable, type TomlDocument, type TomlTable } from "./toml-document.js";

/** What all files together say, each table checked by itself; not yet whether they fit together. */
export interface Sections {
  readonly databases: Rows<DatabaseRow>;
  readonly users: Rows<UserRow>;
  readonly shardedTables: Rows<ShardedTableRow>;
  readonly shardedMappings: Rows<ShardedMappingRow>;
  readonly shardedSchemas: Rows<ShardedSchemaRow>;
  readonly omnishardedTables: Rows<OmnishardedRow>;
  readonly general: GeneralRow;
  /** Without defaults, and where its values stand in the first document that has it. */
  readonly cutover: Partial<CutoverRow>;
  readonly cutoverAt: (key: string) => Place | undefined;
  readonly pgDumpPath: string | undefined;
  readonly notes: readonly string[];
  /** False where a file could not be read or parsed: what seems to be missing may be in it. */
  readonly complete: boolean;
}

/** Sections that only `pg-reshard serve` and its clients read. */
export const SERVE_SECTIONS: readonly string[] = ["admin", "rehearsals"];

/** Sections that only a pipeline file has. */
export const PIPELINE_SECTIONS: readonly string[] = ["pipeline", "stages", "operators", "sources", "sinks", "tests"];

/** Sections of pgdog.toml and users.toml, and of pipeline files. */
export const SHARED_SECTIONS: readonly string[] = [
  "databases", "users", "sharded_tables", "sharded_mappings", "sharded_schemas", "omnisharded_tables", "general", "replication", "cutover",
];

/**
 * The sections of several documents: tables of one kind are added up; a key of `[general]` or `[replication]` that
 * two of them set has the value of the earlier one.
 *
 * @param pipelineFile - the one of them that may have `[pipeline]` and `[[stages]]`.
 * @param complete - false where a file is missing from `documents`.
 */
export function readSections(
  documents: readonly TomlDocument[],
  pipelineFile: TomlDocument | undefined,
  complete: boolean,
  environment: Environment,
  problems: Problem[],
): Sections {
  const notes: string[] = [];
  for (const document of documents) {
    const isPipelineFile = document === pipelineFile;
    for (const key of Object.keys(document.value)) {
      if (PROXY_SECTIONS.includes(key)) {
        notes.push(`${placeText(document.keyAt([key]))}: [${key}] is for PgDog as a proxy; pg-reshard does not use it`);
      } else if (![...SHARED_SECTIONS, ...SERVE_SECTIONS].includes(key) && !(isPipelineFile && PIPELINE_SECTIONS.includes(key))) {
        problems.push(unknownSection(document, key, isPipelineFile));
      }
    }
  }

  const tablesOf = <Value>(key: string, grammar: Grammar<Value>): Rows<Value> => {
    const all = documents.map((document) => {
      const raw = arrayOfTables(document, key, environment, problems);
      return readRows(document, [key], raw, grammar, problems);
    });
    return { rows: all.flatMap((part) => part.rows), broken: all.flatMap((part) => part.broken) };
  };

  return {
    databases: tablesOf("databases", DATABASES),
    users: tablesOf("users", USERS),
    shardedTables: tablesOf("sharded_tables", SHARDED_TABLES),
    shardedMappings: tablesOf("sharded_mappings", SHARDED_MAPPINGS),
    shardedSchemas: tablesOf("sharded_schemas", SHARDED_SCHEMAS),
    omnishardedTables: tablesOf("omnisharded_tables", OMNISHARDED_TABLES),
    general: mergedTable(documents, "general", GENERAL, environment, problems),
    cutover: mergedTable(documents, "cutover", CUTOVER, environment, problems),
    cutoverAt: (key) => placeIn(documents, ["cutover", key]),
    pgDumpPath: mergedTable(documents, "replication", REPLICATION, environment, problems).pg_dump_path,
    notes,
    complete,
  };
}

/** Where a value stands in the first document that has its table. */
function placeIn(documents: readonly TomlDocument[], [section, key]: readonly [string, string]): Place | undefined {
  return documents.find(({ value }) => isTable(value[section]))?.valueAt([section, key]);
}

/** The table `[key]` of several documents as one: an earlier document's values win. */
export function mergedTable<Value extends object>(documents: readonly TomlDocument[], key: string, grammar: Grammar<Value>, environment: Environment, problems: Problem[]): Partial<Value> {
  const all = documents.map((document) => {
    const raw = standardTable(document, key, environment, problems);
    return raw === undefined ? {} : (readRow(document, [key], raw, grammar, problems)?.value ?? {});
  });
  return Object.assign({}, ...all.reverse()) as Partial<Value>;
}

/** The elements of `[[key]]` with the environment substituted; none where the document does not have it. */
export function arrayOfTables(
  document: TomlDocument,
  key: string,
  environment: Environment,
  problems: Problem[],
): readonly unknown[] {
  const raw = document.value[key];
  if (raw === undefined) return [];
  if (!Array.isArray(raw)) {
    const found = isTable(raw) ? "a single table" : typeText(raw);
    problems.push(
      problemAt(
        document.keyAt([key]),
        "WRONG_TYPE",
        `${quoted(key)} is ${found}`,
        `[[${key}]], with two brackets`,
      ),
    );
    return [];
  }
  return raw.map((element: unknown, index) =>
    isTable(element) ? substituteEnvironment(document, [key, index], element, environment, problems) : element,
  );
}

/** The table `[key]` with the environment substituted; undefined where the document does not have it. */
export function standardTable(
  document: TomlDocument,
  key: string,
  environment: Environment,
  problems: Problem[],
): TomlTable | undefined {
  const raw = document.value[key];
  if (raw === undefined) return undefined;
  if (!isTable(raw)) {
    problems.push(
      problemAt(
        document.keyAt([key]),
        "WRONG_TYPE",
        `${quoted(key)} is ${typeText(raw)}`,
        `[${key}], a table`,
      ),
    );
    return undefined;
  }
  return substituteEnvironment(document, [key], raw, environment, problems);
}

function unknownSection(document: TomlDocument, key: string, isPipelineFile: boolean): Problem {
  const place = document.keyAt([key]);
  if (PIPELINE_SECTIONS.includes(key)) {
    return problemAt(
      place,
      "UNKNOWN_SECTION",
      `[${key}] belongs in a pipeline file`,
      "only the sections of pgdog.toml and users.toml",
    );
  }
  if (isPipelineFile && PIPELINE.keys.includes(key)) {
    return problemAt(place, "UNKNOWN_SECTION", `${quoted(key)} stands outside of its section`, "it below [pipeline]");
  }
  const known = isPipelineFile ? [...PIPELINE_SECTIONS, ...SHARED_SECTIONS] : SHARED_SECTIONS;
  const suggestion = didYouMean(key, [...known, ...SERVE_SECTIONS, ...PROXY_SECTIONS]);
  return problemAt(
    place,
    "UNKNOWN_SECTION",
    `unknown section ${quoted(key)}`,
    suggestion === undefined ? `one of ${known.join(", ")}` : undefined,
    suggestion,
  );
}
