import { type TableName, tableId } from "../postgres/identifiers.js";
import { displayObject, type PlannedStatement } from "./schema-plan.js";
import { as, type Fields, nameParts, type Node, parseStatement, qualified, relationName } from "./syntax-tree.js";

export interface TableDefinition {
  readonly table: TableName;
  /**
   * Those in its own statement, by name: whether the type is int2 or int4, or a domain over them. Inherited ones are with
   * the parents.
   */
  readonly columns: ReadonlyMap<string, { readonly integer: boolean; readonly integerDomain: boolean }>;
  /** `tableId` of the composite type that its columns are those of (`CREATE TABLE … OF`). */
  readonly ofType: string | undefined;
  /** Parents it inherits from, or the table it is a partition of. */
  readonly parents: readonly TableName[];
}

export interface KeyColumns {
  readonly table: TableName;
  readonly columns: readonly string[];
}

export interface ForeignKey extends KeyColumns {
  readonly referenced: KeyColumns;
}

/** What a dump says of tables, as far as the types of their columns hang together. */
export interface TableDefinitions {
  readonly tables: readonly TableDefinition[];
  readonly primaryKeys: readonly KeyColumns[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Sequences and the columns that own them or draw from them. */
  readonly sequences: readonly { readonly sequence: TableName; readonly table: TableName; readonly column: string }[];
  /** `tableId` of all that is named as a type: some column may hold rows of that table. */
  readonly rowTypes: ReadonlySet<string>;
  /** `tableId` of domains over int2 or int4, or over such domains. */
  readonly integerDomains: ReadonlySet<string>;
  /** int2 and int4 fields of composite types, as `fieldId` names them. */
  readonly integerFields: ReadonlySet<string>;
  /** Functions and procedures with an int2 or int4 among their parameters, for people. */
  readonly integerRoutines: readonly string[];
}

type Draft = { -readonly [K in keyof TableDefinitions]: TableDefinitions[K] extends readonly (infer T)[] ? T[] : Set<string> };

/** Reads the statements of a plan that the parser understands; needs `loadParser`. */
export function tableDefinitions(statements: readonly PlannedStatement[]): TableDefinitions {
  const found: Draft = { tables: [], primaryKeys: [], foreignKeys: [], sequences: [], rowTypes: new Set(), integerDomains: new Set(), integerFields: new Set(), integerRoutines: [] };
  const attached = new Map<string, TableName>();
  for (const statement of statements) {
    if (statement.phase === "skip" || !READ_KINDS.has(statement.kind)) continue;
    const node = parseStatement(statement.sql);
    const create = as(node, "CreateStmt");
    if (create !== undefined) readTable(create, found);
    const alter = as(node, "AlterTableStmt");
    if (alter !== undefined) readAlter(alter, found, attached);
    const composite = as(node, "CompositeTypeStmt");
    for (const field of composite?.coldeflist ?? []) {
      const column = as(field, "ColumnDef");
      noteType(column?.typeName, found);
      if (isInteger(column?.typeName)) found.integerFields.add(fieldId(tableId(relationName(composite?.typevar)), column?.colname ?? ""));
    }
    const domain = as(node, "CreateDomainStmt");
    noteType(domain?.typeName, found);
    if (isInteger(domain?.typeName) || isOneOf(found.integerDomains, domain?.typeName)) found.integerDomains.add(tableId(qualified(nameParts(domain?.domainname))));
    const owned = as(node, "AlterSeqStmt");
    const owner = nameParts(as(owned?.options?.map((option) => as(option, "DefElem")).find((option) => option?.defname === "owned_by")?.arg, "List")?.items);
    if (owned !== undefined && owner.length >= 2) found.sequences.push({ sequence: relationName(owned.sequence), table: qualified(owner.slice(0, -1)), column: owner.at(-1)! });
    const routine = as(node, "CreateFunctionStmt");
    if (routine?.parameters?.some((parameter) => isInteger(as(parameter, "FunctionParameter")?.argType)) === true) {
      found.integerRoutines.push(displayObject(qualified(nameParts(routine.funcname))));
    }
  }
  const tables = found.tables.map((table) => {
    const parent = attached.get(tableId(table.table));
    return parent === undefined ? table : { ...table, parents: [...table.parents, parent] };
  });
  // REFERENCES without columns means the primary key.
  const keys = new Map(found.primaryKeys.map((key) => [tableId(key.table), key.columns]));
  const foreignKeys = found.foreignKeys.map((key) =>
    key.referenced.columns.length > 0 ? key : { ...key, referenced: { ...key.referenced, columns: keys.get(tableId(key.referenced.table)) ?? [] } },
  );
  return { ...found, tables, foreignKeys };
}

const READ_KINDS = new Set(["table", "primary key", "foreign key", "partition", "default", "identity", "sequence ownership", "type", "domain", "function", "procedure"]);

function readTable(create: Fields<"CreateStmt">, found: Draft): void {
  const table = relationName(create.relation);
  if (create.ofTypename !== undefined) noteType(create.ofTypename, found);
  const columns = new Map<string, { integer: boolean; integerDomain: boolean }>();
  for (const element of create.tableElts ?? []) {
    const column = as(element, "ColumnDef");
    if (column === undefined) {
      readConstraint(table, as(element, "Constraint"), [], found);
      continue;
    }
    const name = column.colname ?? "";
    noteType(column.typeName, found);
    if (column.typeName !== undefined) columns.set(name, { integer: isInteger(column.typeName), integerDomain: isOneOf(found.integerDomains, column.typeName) });
    for (const constraint of column.constraints ?? []) readConstraint(table, as(constraint, "Constraint"), [name], found);
  }
  const parents = (create.inhRelations ?? []).map((parent) => relationName(as(parent, "RangeVar")));
  found.tables.push({ table, columns, parents, ofType: create.ofTypename === undefined ? undefined : typeId(create.ofTypename) });
}

function readAlter(alter: Fields<"AlterTableStmt">, found: Draft, attached: Map<string, TableName>): void {
  const table = relationName(alter.relation);
  for (const item of alter.cmds ?? []) {
    const command = as(item, "AlterTableCmd");
    switch (command?.subtype) {
      case "AT_AddConstraint":
        readConstraint(table, as(command.def, "Constraint"), [], found);
        break;
      case "AT_AttachPartition":
        attached.set(tableId(relationName(as(command.def, "PartitionCmd")?.name)), table);
        break;
      case "AT_ColumnDefault":
        readDefault(table, command.name ?? "", command.def, found);
        break;
      case "AT_AddIdentity":
        readConstraint(table, as(command.def, "Constraint"), [command.name ?? ""], found);
        break;
    }
  }
}

/** @param column the column it is written with, if any */
function readConstraint(table: TableName, constraint: Fields<"Constraint"> | undefined, column: readonly string[], found: Draft): void {
  const names = (nodes: readonly Node[] | undefined): readonly string[] => (nodes === undefined ? column : nameParts(nodes));
  switch (constraint?.contype) {
    case "CONSTR_PRIMARY":
      found.primaryKeys.push({ table, columns: names(constraint.keys) });
      break;
    case "CONSTR_FOREIGN":
      found.foreignKeys.push({ table, columns: names(constraint.fk_attrs), referenced: { table: relationName(constraint.pktable), columns: nameParts(constraint.pk_attrs ?? []) } });
      break;
    case "CONSTR_DEFAULT":
      readDefault(table, column[0]!, constraint.raw_expr, found);
      break;
    case "CONSTR_IDENTITY": {
      const name = constraint.options?.map((option) => as(option, "DefElem")).find((option) => option?.defname === "sequence_name");
      if (name !== undefined) found.sequences.push({ sequence: qualified(nameParts(name.arg)), table, column: column[0]! });
      break;
    }
  }
}

/** Notes the sequences that `nextval('…'::regclass)` names, wherever in the expression. */
function readDefault(table: TableName, column: string, expression: unknown, found: Draft): void {
  if (typeof expression !== "object" || expression === null) return;
  const call = as(expression as Node, "FuncCall");
  if (call !== undefined && nameParts(call.funcname).at(-1) === "nextval") {
    const argument = call.args?.[0];
    const text = as(as(argument, "TypeCast")?.arg ?? argument, "A_Const")?.sval?.sval;
    if (text !== undefined) found.sequences.push({ sequence: qualified(regclassParts(text)), table, column });
  }
  for (const part of Object.values(expression)) readDefault(table, column, part, found);
}

/** `"S x".q` → `S x`, `q`. */
function regclassParts(text: string): string[] {
  return [...text.matchAll(/"((?:[^"]|"")*)"|[^".]+/g)].map(([plain, quoted]) => quoted?.replaceAll('""', '"') ?? plain.toLowerCase());
}

const INTEGERS = new Set(["int2", "int4", "serial", "serial2", "serial4", "smallserial"]);

/** Whether a type is int2 or int4: not an array of them, nor a domain over them. */
export function isInteger(type: Fields<"TypeName"> | undefined): boolean {
  if (type === undefined || type.arrayBounds !== undefined) return false;
  const { schema, name } = qualified(nameParts(type.names));
  return (schema === "" || schema === "pg_catalog") && INTEGERS.has(name);
}

function noteType(type: Fields<"TypeName"> | undefined, found: Draft): void {
  if (type !== undefined) found.rowTypes.add(typeId(type));
}

function typeId(type: Fields<"TypeName">): string {
  return tableId(qualified(nameParts(type.names)));
}

function isOneOf(types: ReadonlySet<string>, type: Fields<"TypeName"> | undefined): boolean {
  return type !== undefined && type.arrayBounds === undefined && types.has(typeId(type));
}

/** Names a field of a composite type; `type` as `tableId` has it. */
export function fieldId(type: string, field: string): string {
  return JSON.stringify([type, field]);
}
