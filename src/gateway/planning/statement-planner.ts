import { LeastRecentlyUsed } from "./least-recently-used.js";
import { type ParsedStatement, type ParseFailure, parseStatements } from "./parse-statements.js";
import { planStatement } from "./plan-statement.js";
import type { ShardedCatalog } from "./sharded-catalog.js";
import type { StatementPlan } from "./statement-plan.js";
import type { Told } from "./told-shard.js";

export interface PlannedStatement {
  readonly statement: ParsedStatement;
  readonly plan: StatementPlan;
}

export type PlannedText = { readonly statements: readonly PlannedStatement[] } | { readonly failure: ParseFailure };

/** Characters of text whose plans are kept. */
const CACHED_CHARACTERS = 2 ** 20;

/** Plans texts on one state of the catalog, each text once: make another one when the catalog has changed. */
export class StatementPlanner {
  readonly #plans = new LeastRecentlyUsed<string, PlannedText>(CACHED_CHARACTERS);

  constructor(readonly catalog: ShardedCatalog) {}

  /**
   * The statements of a text and what becomes of them.
   * @param searchPath of the session; see `searchPathOf`
   * @param told what the session said with SET pgdog.shard or pgdog.sharding_key
   */
  plan(text: string, searchPath: readonly string[], told?: Told): PlannedText {
    const key = JSON.stringify([searchPath, told?.name, told?.value]) + text;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const parsed = parseStatements(text);
    const context = { catalog: this.catalog, searchPath, ...(told === undefined ? {} : { told }) };
    const planned: PlannedText = "failure" in parsed ? parsed : { statements: parsed.statements.map((statement) => ({ statement, plan: planStatement(statement, context) })) };
    this.#plans.set(key, planned, key.length + 100);
    return planned;
  }
}
