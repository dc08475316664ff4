import type { OperatorDefinition } from "../table-operator.js";
import { filterOperator } from "./filter.js";
import { maskOperator } from "./mask.js";
import { renameOperator } from "./rename.js";
import { routeOperator } from "./route.js";
import { sampleOperator } from "./sample.js";
import { tapOperator } from "./tap.js";
import { throttleOperator } from "./throttle.js";

/*
 * The document "Operators" is made of the comments before `…Operator` which have one form:
 *
 *   a paragraph of one sentence: what it does
 *   paragraphs of details, if there are any
 *   a picture between ``` and ```: the options that matter, if any, then lines that begin with `in` and `out`
 *   @example with an [operators.NAME] table between ```toml and ```, which a test reads
 *
 * and of the descriptions of its options.
 */

/** Operators of a table's rows that pipeline files name by their type; `./…` names others. */
export const stockOperators: Readonly<Record<string, OperatorDefinition>> = Object.fromEntries(
  [filterOperator, maskOperator, renameOperator, sampleOperator, tapOperator, routeOperator, throttleOperator].map((definition): [string, OperatorDefinition] => [definition.name, definition]),
);
