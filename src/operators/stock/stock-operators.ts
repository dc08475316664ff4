import type { OperatorDefinition } from "../table-operator.js";

/** What pipeline files name by `type`. */
export const stockOperators: Readonly<Record<string, OperatorDefinition>> = {};
