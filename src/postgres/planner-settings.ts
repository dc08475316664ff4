const BY_INDEX = { enable_seqscan: "off", enable_hashjoin: "off", enable_mergejoin: "off", plan_cache_mode: "force_generic_plan" };
const FREELY = { enable_seqscan: "on", enable_hashjoin: "on", enable_mergejoin: "on", plan_cache_mode: "force_custom_plan" };

/** SQL after which rows are found by an index where there is one, whatever the statistics of a table just filled say. */
export function planByIndex(scope: "SET" | "SET LOCAL"): string {
  return settings(scope, BY_INDEX);
}

/** SQL after which the planner does as it likes, knowing how many values it is given: where no index helps, nested loops over many take for ever. */
export function planFreely(scope: "SET" | "SET LOCAL"): string {
  return settings(scope, FREELY);
}

function settings(scope: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).map(([name, value]) => `${scope} ${name} = ${value}`).join("; ");
}
