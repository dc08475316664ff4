import { dirname, resolve } from "node:path";
import { ConfigurationError, type Problem, quoted } from "../config/configuration-error.js";
import { didYouMean } from "../config/did-you-mean.js";
import type { OperatorEntry } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { stockOperators } from "../operators/stock/stock-operators.js";
import type { OperatorDefinition } from "../operators/table-operator.js";
import { checkedEntryOptions } from "./entry-options.js";
import { isModulePath, operatorOfModule } from "./operator-module.js";

/** An operator of a pipeline file, ready to be made for each table. */
export interface LoadedOperator {
  readonly name: string;
  /** As `OperatorEntry.tables`. */
  readonly tables: readonly string[] | undefined;
  readonly definition: OperatorDefinition;
  /** As the definition's schema gave them. */
  readonly options: unknown;
  readonly entry: OperatorEntry;
}

/**
 * The operators of entries: stock ones by name, others from modules beside the pipeline file, their options checked.
 *
 * @throws ConfigurationError with all that is wrong: OPERATOR_UNKNOWN, OPERATOR_MODULE_FAILED, OPERATOR_OPTIONS
 */
export async function loadOperators(entries: readonly OperatorEntry[]): Promise<readonly LoadedOperator[]> {
  const problems: Problem[] = [];
  const loaded: LoadedOperator[] = [];
  for (const entry of entries) {
    const definition = await definitionOf(entry, problems);
    if (definition === undefined) continue;
    const checked = checkedEntryOptions({ section: "operators", code: "OPERATOR_OPTIONS" }, entry, definition.options);
    if ("problems" in checked) problems.push(...checked.problems);
    else loaded.push({ name: entry.name, tables: entry.tables, definition, options: checked.options, entry });
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return loaded;
}

async function definitionOf(entry: OperatorEntry, problems: Problem[]): Promise<OperatorDefinition | undefined> {
  const { type, places, place } = entry;
  const at = places["type"] ?? place;
  if (isModulePath(type)) {
    try {
      return await operatorOfModule(resolve(dirname(entry.place.file), type));
    } catch (error) {
      if (!(error instanceof ReshardError)) throw error;
      problems.push({
        ...at,
        code: "OPERATOR_MODULE_FAILED",
        message: `the module ${quoted(type)} ${error.message}`,
        ...(error.remedy === undefined ? {} : { expected: error.remedy }),
        ...(error.cause instanceof Error && error.cause.stack !== undefined ? { detail: ownStack(error.cause.stack) } : {}),
      });
      return undefined;
    }
  }
  const names = Object.keys(stockOperators);
  if (names.includes(type)) return stockOperators[type];
  const suggestion = didYouMean(type, names);
  problems.push({
    ...at,
    code: "OPERATOR_UNKNOWN",
    message: `there is no operator of type ${quoted(type)}`,
    expected: [...(names.length === 0 ? [] : [`one of ${names.join(", ")}`]), 'the path of a module, such as "./my-operator.ts"'].join(", or "),
    ...(suggestion === undefined ? {} : { suggestion }),
  });
  return undefined;
}

/** A stack without the frames of what loaded the module. */
function ownStack(stack: string): string {
  return stack.split("\n").filter((line) => !/^\s+at .*(?:[/\\]jiti[/\\]|node:internal|operator-module\.[jt]s)/u.test(line)).map((line) => line.trimEnd()).join("\n");
}
