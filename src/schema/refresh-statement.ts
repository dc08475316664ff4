import { qualifiedName } from "../postgres/identifiers.js";
import type { PlannedStatement } from "./schema-plan.js";

/** Fills a materialized view once the rows are there: a dump of definitions only makes it empty. */
export function refreshStatement(view: PlannedStatement): PlannedStatement {
  const name = view.object!;
  return {
    position: view.position,
    sql: `REFRESH MATERIALIZED VIEW ${qualifiedName(name)}`,
    original: undefined,
    phase: "post",
    kind: "refresh",
    reason: "added: the view is made empty, and its rows come from other tables",
    object: name,
    table: name,
    roles: [],
    presence: { type: "populated", name },
    parallel: false,
  };
}
