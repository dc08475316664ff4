import { as, type Node } from "../../schema/syntax-tree.js";
import type { Distribution } from "./distribution.js";
import { Equalities } from "./equalities.js";
import type { ScopeColumn } from "./scope-column.js";
import type { Relation } from "./sharded-catalog.js";

/** One range of FROM: a table, view, subquery, function. */
export interface Item {
  readonly name: string;
  readonly schema: string;
  /** undefined where the columns cannot be known. */
  readonly columns: readonly ScopeColumn[] | undefined;
  readonly distribution: Distribution;
  /** Where it is a table itself. */
  readonly relation: Relation | undefined;
}

/** A common table expression, as FROM sees it. */
export type NamedQuery = Pick<Item, "distribution" | "columns">;

export interface VisibleColumn {
  readonly name: string;
  /** undefined where two are one (FULL JOIN … USING): what it holds is not told. */
  readonly column: ScopeColumn | undefined;
}

/** What names mean at one level of a statement; the level around it is asked next. */
export class Level {
  readonly items: Item[] = [];
  /** Names that need no qualification, in the order of `*`; undefined among them are columns that cannot be known. */
  readonly visible: (VisibleColumn | undefined)[] = [];
  readonly tables = new Map<string, NamedQuery>();
  equalities: Equalities;

  constructor(readonly parent: Level | undefined) {
    this.equalities = new Equalities(parent?.equalities);
  }

  /** The common table expression of that name that can be seen from here. */
  table(name: string): NamedQuery | undefined {
    return this.tables.get(name) ?? this.parent?.table(name);
  }

  /** The column that a name means; undefined where that is not certain. */
  resolve(fields: readonly Node[] | undefined): ScopeColumn | undefined {
    const names = (fields ?? []).map((field) => as(field, "String")?.sval);
    if (names.includes(undefined)) return undefined;
    const parts = names as string[];
    return parts.length === 1 ? this.#unqualified(parts[0]!) : parts.length === 2 ? this.#qualified("", parts[0]!, parts[1]!) : parts.length === 3 ? this.#qualified(parts[0]!, parts[1]!, parts[2]!) : undefined;
  }

  #unqualified(name: string): ScopeColumn | undefined {
    const found = this.visible.filter((visible) => visible?.name === name);
    if (found.length > 0) return found.length === 1 ? found[0]!.column : undefined;
    // It may be one of the columns that are not known.
    return this.parent === undefined || this.visible.includes(undefined) ? undefined : this.parent.#unqualified(name);
  }

  #qualified(schema: string, item: string, name: string): ScopeColumn | undefined {
    const found = this.items.find((candidate) => candidate.name === item && (schema === "" || candidate.schema === schema));
    if (found === undefined) return this.parent === undefined ? undefined : this.parent.#qualified(schema, item, name);
    return found.columns?.find((column) => column.name === name);
  }

  /** Whether the column is of a level around this one. */
  isOuter(column: ScopeColumn): boolean {
    return !this.items.some(({ columns }) => columns?.includes(column) === true) && this.parent !== undefined;
  }
}
