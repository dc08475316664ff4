import { type Command, Option } from "commander";
import { loadDatabases, loadPipelineFile } from "../config/load.js";
import type { Pipeline, SequenceStrategy, Stage } from "../config/types.js";

/** What the words of a command line say about the pipeline; reading files comes later. */
export type PipelineChoice =
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "databases";
      readonly config: string;
      readonly users: string;
      /** `--users` was not given. */
      readonly usersOptional: boolean;
      readonly from: string;
      readonly to: string;
      readonly publication: string;
      readonly allowPartialPublication?: boolean;
      readonly onDdl?: "stop" | "apply";
    };

const DATABASE_FLAGS = [
  ["--from-database <name>", "source: a name of [[databases]]"],
  ["--to-database <name>", "destination: a name of [[databases]]"],
  ["--publication <name>", "publication on the source; it holds the tables to move"],
] as const;

/** The three flags that name a migration, all of them needed. */
export function requireDatabases(command: Command): Command {
  for (const [flags, description] of DATABASE_FLAGS) command.addOption(new Option(flags, description).makeOptionMandatory());
  return command;
}

/** A pipeline file, or the three flags. */
export function acceptFileOrDatabases(command: Command): Command {
  command.argument("[file]", "a pipeline file; without it, the three flags name the migration");
  for (const [flags, description] of DATABASE_FLAGS) command.option(flags, description);
  return command;
}

/** For commands that go by what the publication sends. */
export function allowPartialPublication(command: Command): Command {
  return command.option("--allow-partial-publication", "go on where the publication leaves out some of insert, update, delete and truncate: the shards will lack them");
}

/** For commands that stream. */
export function onDdl(command: Command): Command {
  return command.addOption(new Option("--on-ddl <what>", "where columns or tables are added on the source: stop and say what to run, or apply the same to the shards").choices(["stop", "apply"]));
}

interface DatabaseOptions {
  readonly fromDatabase?: string;
  readonly toDatabase?: string;
  readonly publication?: string;
  readonly allowPartialPublication?: boolean;
  readonly onDdl?: "stop" | "apply";
  readonly config: string;
  readonly users: string;
}

/** Reads arguments and options of a command made by one of the two above; fails as commander does, with exit code 2. */
export function pipelineChoice(command: Command, file: string | undefined): PipelineChoice {
  const { fromDatabase, toDatabase, publication, allowPartialPublication, onDdl, config, users } = command.optsWithGlobals<DatabaseOptions>();
  if (file !== undefined) {
    for (const [name, flag] of [["fromDatabase", "--from-database"], ["toDatabase", "--to-database"], ["publication", "--publication"], ["allowPartialPublication", "--allow-partial-publication"], ["onDdl", "--on-ddl"], ["config", "--config"], ["users", "--users"]] as const) {
      if (command.getOptionValueSourceWithGlobals(name) === "cli") command.error(`error: ${flag} does not go with a pipeline file, which says that itself`);
    }
    return { kind: "file", path: file };
  }
  if (fromDatabase === undefined || toDatabase === undefined || publication === undefined) {
    return command.error("error: name a pipeline file, or all of --from-database, --to-database and --publication");
  }
  const usersOptional = command.getOptionValueSourceWithGlobals("users") !== "cli";
  return { kind: "databases", config, users, usersOptional, from: fromDatabase, to: toDatabase, publication, ...(allowPartialPublication === undefined ? {} : { allowPartialPublication }), ...(onDdl === undefined ? {} : { onDdl }) };
}

/**
 * The pipeline that was chosen. Stages and slot are those of the command where it has some, else of the file.
 *
 * Fails with a ConfigurationError.
 */
export function loadPipeline(choice: PipelineChoice, environment: Readonly<Record<string, string | undefined>>, own: { readonly stages?: readonly Stage[]; readonly slot?: string | undefined; readonly sequences?: SequenceStrategy | undefined } = {}): Pipeline {
  if (choice.kind === "file") {
    const pipeline = loadPipelineFile(choice.path, environment);
    return own.stages === undefined ? pipeline : { ...pipeline, stages: own.stages };
  }
  return loadDatabases({ ...choice, slot: own.slot, sequences: own.sequences, stages: own.stages ?? [] }, environment);
}
