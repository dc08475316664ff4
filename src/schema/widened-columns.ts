import { type TableName, tableId } from "../postgres/identifiers.js";
import type { WidenedColumn } from "./schema-plan.js";
import { fieldId, type TableDefinition, type TableDefinitions } from "./table-definitions.js";

export interface WidenedColumns {
  /** In the order of the dump's tables; inherited columns are in it too. */
  readonly columns: readonly WidenedColumn[];
  /** Integer primary keys that stay. */
  readonly kept: readonly (WidenedColumn & { readonly why: KeptReason })[];
}

export type KeptReason =
  /** Rows of its table are stored as values elsewhere. */
  | "stored rows"
  /** The type is a domain over an integer. */
  | "domain"
  /** The table is one of a composite type. */
  | "typed table";

/**
 * The integer columns that become bigint: those of primary keys, and whatever refers to a widened column through foreign
 * keys, over any number of hops. Columns that must have one type, up and down partition trees and inheritance, go
 * together. Domains over integers and composite types are types of their own and stay.
 */
export function widenedColumns(definitions: TableDefinitions): WidenedColumns {
  const columns = new ColumnGroups(definitions.tables);
  const pinned = new Set<string>();
  for (const { table, column } of columns.all) if (definitions.rowTypes.has(tableId(table))) pinned.add(columns.groupOf(table, column)!);
  const integer = columns.integerGroups();
  const widened = new Set<string>();
  const widen = (table: TableName, column: string): boolean => {
    const group = columns.groupOf(table, column);
    if (group === undefined || !integer.has(group) || pinned.has(group) || widened.has(group)) return false;
    widened.add(group);
    return true;
  };
  for (const key of definitions.primaryKeys) for (const column of key.columns) widen(key.table, column);
  for (let changed = true; changed; ) {
    changed = false;
    for (const { table, columns: from, referenced } of definitions.foreignKeys) {
      from.forEach((column, index) => {
        const group = columns.groupOf(referenced.table, referenced.columns[index] ?? "");
        if (group !== undefined && widened.has(group) && widen(table, column)) changed = true;
      });
    }
  }
  const named = ({ table, column }: { table: TableName; column: string }): WidenedColumn => ({ ...table, column });
  return {
    columns: columns.all.filter(({ table, column }) => widened.has(columns.groupOf(table, column)!)).map(named),
    kept: definitions.primaryKeys.flatMap(({ table, columns: key }) =>
      key.flatMap((column) => {
        const group = columns.groupOf(table, column);
        const definition = columns.definitionOf(table);
        const why: KeptReason | undefined =
          group !== undefined && integer.has(group) && pinned.has(group) ? "stored rows"
          : definition?.columns.get(column)?.integerDomain === true ? "domain"
          : definition?.ofType !== undefined && definitions.integerFields.has(fieldId(definition.ofType, column)) ? "typed table"
          : undefined;
        return why === undefined ? [] : [{ ...named({ table, column }), why }];
      }),
    ),
  };
}

/** Columns that must have one type, as PostgreSQL sees to it: a parent's, and those of the same name below it. */
class ColumnGroups {
  /** Every column of every table, inherited ones included. */
  readonly all: { readonly table: TableName; readonly column: string }[] = [];
  readonly #definitions: ReadonlyMap<string, TableDefinition>;
  /** Union-find over `columnId`. */
  readonly #parents = new Map<string, string>();

  constructor(tables: readonly TableDefinition[]) {
    this.#definitions = new Map(tables.map((definition) => [tableId(definition.table), definition]));
    for (const { table } of tables) this.#add(table);
  }

  definitionOf(table: TableName): TableDefinition | undefined {
    return this.#definitions.get(tableId(table));
  }

  /** Names the group of a column; undefined where there is no such column. */
  groupOf(table: TableName, column: string): string | undefined {
    const id = columnId(table, column);
    return this.#parents.has(id) ? this.#find(id) : undefined;
  }

  /** Groups whose every definition is an int2 or int4. */
  integerGroups(): Set<string> {
    const integer = new Set<string>();
    const other = new Set<string>();
    for (const { table, columns } of this.#definitions.values()) {
      for (const [column, type] of columns) (type.integer ? integer : other).add(this.groupOf(table, column)!);
    }
    for (const group of other) integer.delete(group);
    return integer;
  }

  /** Adds a table's columns after those of its parents; returns their names. */
  #add(table: TableName): Set<string> {
    const definition = this.#definitions.get(tableId(table));
    const names = new Set(definition?.columns.keys());
    const inherited = (definition?.parents ?? []).flatMap((parent) => [...this.#add(parent)].map((column) => [parent, column] as const));
    for (const [, column] of inherited) names.add(column);
    for (const column of names) {
      const id = columnId(table, column);
      if (this.#parents.has(id)) continue;
      this.#parents.set(id, id);
      this.all.push({ table, column });
    }
    for (const [parent, column] of inherited) this.#parents.set(this.#find(columnId(parent, column)), this.#find(columnId(table, column)));
    return names;
  }

  #find(id: string): string {
    let root = id;
    for (let parent = this.#parents.get(root)!; parent !== root; parent = this.#parents.get(root)!) root = parent;
    this.#parents.set(id, root);
    return root;
  }
}

function columnId(table: TableName, column: string): string {
  return JSON.stringify([table.schema, table.name, column]);
}
