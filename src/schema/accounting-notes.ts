import { displayObject, type PlannedStatement, type SchemaPlan } from "./schema-plan.js";
import { counted, listed } from "../words.js";

/** What the source has beside its dump's statements. */
export interface SourceExtras {
  /** How many large objects. */
  readonly largeObjects: number;
}

/** Objects that exist on the source and will not on the shards; everything else that is skipped belongs to one of them, or is told of elsewhere. */
const NOT_CARRIED = ["subscription", "foreign server", "user mapping", "foreign table", "tablespace", "table access method", "security label"] as const;

/**
 * What an operator should know beforehand of statements that are not carried, or run without being understood: one
 * sentence for each of the two, none where there is nothing to tell.
 */
export function accountingNotes(plan: SchemaPlan, { largeObjects }: SourceExtras): string[] {
  const skipped = plan.statements.filter(({ phase }) => phase === "skip");
  const groups = NOT_CARRIED.flatMap((kind) => group(kind, skipped.filter((statement) => statement.kind === kind)) ?? []);
  if (largeObjects > 0) groups.push(counted(largeObjects, "large object"));
  const unknown = plan.statements.filter(({ kind, phase }) => kind === "unknown" && phase !== "skip");
  return [
    ...(groups.length === 0 ? [] : [`Not carried, make by hand on the shards what they need: ${groups.join("; ")}.`]),
    ...(unknown.length === 0 ? [] : [`${counted(unknown.length, "statement")} of kinds that this project has no rule for, run as dumped, before the rows: ${listed(unknown.map(({ sql }) => beginning(sql)), "; ")}.`]),
  ];
}

/** `2 subscriptions (news, prices)`. Several statements may speak of one object; user mappings have no name. */
function group(kind: string, statements: readonly PlannedStatement[]): string | undefined {
  const names = new Set(statements.flatMap(({ object }) => (object === undefined ? [] : [displayObject(object)])));
  if (names.size > 0) return `${counted(names.size, kind)} (${listed([...names])})`;
  return statements.length === 0 ? undefined : counted(statements.length, kind);
}

const SHOWN_CHARACTERS = 60;

function beginning(sql: string): string {
  const line = sql.replaceAll(/\s+/g, " ");
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}…` : line;
}
