import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { plainColumn } from "./conjuncts.js";
import { figureName } from "./figure-name.js";
import type { Item, Level } from "./scope.js";
import { renamed, type ScopeColumn, unknownColumn } from "./scope-column.js";
import { isKey } from "./settle-level.js";

/**
 * The columns of an answer: those that are columns of FROM keep what is known of them, and are keys where their values
 * say on which shard the row is. Undefined where not all names can be known.
 */
export function outputColumns(targets: readonly Node[] | undefined, level: Level, keys: readonly ScopeColumn[]): readonly ScopeColumn[] | undefined {
  const columns: ScopeColumn[] = [];
  for (const node of targets ?? []) {
    const target = as(node, "ResTarget");
    const star = starOf(target?.val, level);
    if (star === "unknown") return undefined;
    if (star !== undefined) {
      columns.push(...star.map((column) => asOutput(column, column.name, level, keys)));
      continue;
    }
    const name = target?.name ?? figureName(target?.val);
    if (name === undefined) return undefined;
    const column = plainColumn(target?.val, level);
    columns.push(column === undefined ? unknownColumn(name) : asOutput(column, name, level, keys));
  }
  return columns;
}

function asOutput(column: ScopeColumn, name: string, level: Level, keys: readonly ScopeColumn[]): ScopeColumn {
  return { ...renamed(column, name), key: isKey(column, keys, level.equalities)?.key };
}

/** The columns of `*` and `t.*`; undefined where it is neither. */
export function starOf(node: Node | undefined, level: Level): readonly ScopeColumn[] | "unknown" | undefined {
  const fields = as(node, "ColumnRef")?.fields ?? [];
  if (as(fields.at(-1), "A_Star") === undefined) return undefined;
  if (fields.length === 1) {
    return level.visible.includes(undefined) ? "unknown" : level.visible.map((visible) => visible!.column ?? unknownColumn(visible!.name));
  }
  return itemOf(fields, level)?.columns ?? "unknown";
}

function itemOf(fields: readonly Node[], level: Level): Item | undefined {
  const [name, schema] = [as(fields.at(-2), "String")?.sval, as(fields.at(-3), "String")?.sval];
  return level.items.find((item) => item.name === name && (schema === undefined || item.schema === schema));
}

/** The expressions of a target list, of which some may be `*`. */
export function expressionsOf(targets: readonly Node[] | undefined): (Fields<"ResTarget">)[] {
  return (targets ?? []).flatMap((node) => as(node, "ResTarget") ?? []);
}
