import { quoteLiteral } from "../postgres/identifiers.js";
import { displayObject, type Phase, type PlannedStatement, type SchemaPlan, statementsOf } from "./schema-plan.js";
import { sessionSettings } from "./session-settings.js";
import { counted } from "../words.js";

const TITLES: Readonly<Record<Phase, string>> = {
  pre: "pre: before the rows",
  key: "key: after a table's rows",
  post: "post: after all rows",
  cutover: "cutover: before the applications are switched",
  "post-cutover": "post-cutover: for the way back",
  skip: "skip: not run",
};

export interface RenderOptions {
  /** What a person should know, as comments at the head. */
  readonly notes?: readonly string[];
  /** Run-time parameters of the sessions, beside those that every dump needs. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/**
 * The SQL that the phases would run on an empty shard, in order, with kind and reason as comments; psql can run it.
 * Skipped statements come as comments.
 */
export function renderPlan(plan: SchemaPlan, phases: readonly Phase[], { notes = [], parameters = {} }: RenderOptions = {}): string {
  const parts = notes.length === 0 ? [] : [notes.map(comment).join("\n")];
  const settings = [...sessionSettings, ...Object.entries(parameters).map(([name, value]) => `SET ${name} = ${quoteLiteral(value)}`)];
  if (phases.some((phase) => phase !== "skip")) parts.push(settings.map((setting) => `${setting};`).join("\n"));
  for (const phase of phases) {
    const statements = statementsOf(plan, phase);
    parts.push(`-- ==== ${TITLES[phase]} (${counted(statements.length, "statement")})`);
    for (const statement of statements) parts.push(renderStatement(statement));
  }
  return `${parts.join("\n\n")}\n`;
}

/** A statement with its kind and reason as a comment. */
export function renderStatement(statement: PlannedStatement): string {
  const object = statement.object === undefined ? "" : ` ${displayObject(statement.object)}`;
  const role = statement.roles.length === 0 ? "" : `; needs role ${statement.roles.join(", ")}`;
  const heading = comment(`${statement.phase}: ${statement.kind}${object}: ${statement.reason}${role}`.replaceAll(/\s+/g, " "));
  return `${heading}\n${statement.phase === "skip" ? comment(statement.sql) : `${statement.sql};`}`;
}

/** Text as SQL comments, line by line; a carriage return ends one too. */
export function comment(text: string): string {
  return text.split(/[\n\r]/).map((line) => `-- ${line}`).join("\n");
}
