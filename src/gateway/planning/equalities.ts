import type { KeyType } from "../../config/types.js";
import type { ScopeColumn } from "./scope-column.js";
import type { KeyValue } from "./statement-plan.js";

/** A constant as a member of a class of equal things: its data type and its value, or its parameter's number. */
type Member = ScopeColumn | string;

/**
 * Which columns are equal to each other in every row that counts, and which values they can have there. Begins with what
 * is known at the level around, and adds nothing to that.
 */
export class Equalities {
  readonly #parents: Map<Member, Member>;
  /** By the class' root: sets of values, each of which holds the value of the class. */
  readonly #values: Map<Member, readonly (readonly KeyValue[])[]>;

  constructor(outer?: Equalities) {
    this.#parents = new Map(outer === undefined ? [] : outer.#parents);
    this.#values = new Map(outer === undefined ? [] : outer.#values);
  }

  /** Only of columns of one family: there equality is that of bytes, and so transitive. */
  equate(left: ScopeColumn, right: ScopeColumn): void {
    if (left.family !== undefined && left.family === right.family) this.#unite(left, right);
  }

  /** The column's value is one of these. */
  restrict(column: ScopeColumn, values: readonly KeyValue[]): void {
    if (column.family === undefined) return;
    const single = values.length === 1 ? memberOf(column.family, values[0]!) : undefined;
    if (single !== undefined) this.#unite(column, single);
    const root = this.#root(column);
    this.#values.set(root, [...(this.#values.get(root) ?? []), values]);
  }

  same(left: ScopeColumn, right: ScopeColumn): boolean {
    return left === right || this.#root(left) === this.#root(right);
  }

  /** The narrowest set of values that the column can have; undefined where any is possible. */
  valuesOf(column: ScopeColumn): readonly KeyValue[] | undefined {
    return (this.#values.get(this.#root(column)) ?? []).toSorted((a, b) => width(a) - width(b))[0];
  }

  /** Whether anything has been said of the column. */
  knows(column: ScopeColumn): boolean {
    return this.#parents.has(column) || this.#values.has(this.#root(column));
  }

  #unite(left: Member, right: Member): void {
    const [a, b] = [this.#root(left), this.#root(right)];
    this.#parents.set(left, a);
    this.#parents.set(right, a);
    if (a === b) return;
    this.#parents.set(b, a);
    this.#values.set(a, [...(this.#values.get(a) ?? []), ...(this.#values.get(b) ?? [])]);
  }

  #root(member: Member): Member {
    let root = member;
    for (let next = this.#parents.get(root); next !== undefined && next !== root; next = this.#parents.get(root)) root = next;
    return root;
  }
}

function memberOf(family: KeyType, value: KeyValue): string | undefined {
  // NULL equals nothing, itself neither.
  if (value.kind === "constant") return value.bytes === null ? undefined : `${family}:${value.bytes.toString("hex")}`;
  return value.kind === "parameter" ? `${family}:$${value.number}` : undefined;
}

/** Fewer values first; how many an array has is not known. */
function width(values: readonly KeyValue[]): number {
  return values.reduce((sum, { kind }) => sum + (kind === "elements" ? 1000 : 1), 0);
}
