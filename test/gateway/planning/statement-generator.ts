import fc from "fast-check";
import { WORLD_TABLES, WORLD_VIEWS, type WorldTable, type WorldView } from "./differential-world.js";

export interface GeneratedStatement {
  readonly text: string;
  /** In text form. */
  readonly values: readonly (string | null)[];
  /** Rows in their order are known, not only which. */
  readonly ordered: boolean;
  /** LIMIT cuts at a place that the order does not tell: only the number of rows is known. */
  readonly loose: boolean;
}

type Draw = <T>(arbitrary: fc.Arbitrary<T>) => T;

interface Source {
  readonly alias: string;
  readonly columns: Readonly<Record<string, "int" | "text">>;
  readonly key: string | undefined;
  readonly primaryKey: readonly string[] | undefined;
}

/** Statements over the tables of the world: mostly such as applications write, all of them valid or nearly so. */
export const statements: fc.Arbitrary<GeneratedStatement> = fc.gen().map((gen) => new Writer((arbitrary) => gen(() => arbitrary)).statement());

function named({ alias }: Source, column: string): string {
  return alias === "" ? column : `${alias}.${column}`;
}

class Writer {
  readonly values: (string | null)[] = [];
  #aliases = 0;

  constructor(readonly draw: Draw) {}

  statement(): GeneratedStatement {
    const kind = this.pick([["select", 10], ["union", 2], ["with", 2], ["update", 3], ["delete", 3], ["insert", 4], ["merge", 1], ["omnisharded", 3]] as const);
    switch (kind) {
      case "select":
        return this.#topSelect("");
      case "union":
        return this.#union();
      case "with":
        return this.#with();
      case "update":
        return this.#plain(this.#update(this.#table(true)));
      case "delete":
        return this.#plain(this.#delete(this.#table(true)));
      case "insert":
        return this.#plain(this.#insert(this.#table(true)));
      case "merge":
        return this.#plain(this.#merge());
      case "omnisharded": {
        const table = this.#table(false);
        return this.#plain(this.one([() => this.#update(table), () => this.#delete(table), () => this.#insert(table)])());
      }
    }
  }

  #plain(text: string): GeneratedStatement {
    return { text, values: this.values, ordered: false, loose: false };
  }

  // --- choices

  pick<const T>(weighted: readonly (readonly [T, number])[]): T {
    const total = weighted.reduce((sum, [, weight]) => sum + weight, 0);
    let at = this.draw(fc.integer({ min: 0, max: total - 1 }));
    for (const [value, weight] of weighted) if ((at -= weight) < 0) return value;
    throw new Error("unreachable");
  }

  one<T>(options: readonly T[]): T {
    return options[this.draw(fc.integer({ min: 0, max: options.length - 1 }))]!;
  }

  chance(percent: number): boolean {
    return this.draw(fc.integer({ min: 0, max: 99 })) < percent;
  }

  #table(sharded: boolean): WorldTable {
    return this.one(WORLD_TABLES.filter(({ key, fixed }) => (key !== undefined || fixed !== undefined) === sharded));
  }

  #anyTable(): WorldTable | (WorldView & { readonly primaryKey?: undefined }) {
    // One table in five is on one shard of its own, and has little to be joined with.
    const tables = this.chance(10) ? WORLD_TABLES : WORLD_TABLES.filter(({ fixed }) => fixed === undefined);
    return this.chance(15) ? this.one(WORLD_VIEWS) : this.one(tables);
  }

  // --- expressions

  /** A constant or parameter of the type. */
  #value(type: "int" | "text"): string {
    if (this.chance(4)) return "NULL";
    const value = type === "int" ? String(this.draw(fc.integer({ min: -1, max: 12 }))) : this.one(["a", "b", "c", "d", "e", "f", "g", "h", "i", "", "a b"]);
    if (this.chance(30)) {
      this.values.push(this.chance(3) ? null : value);
      return `$${this.values.length}::${type === "int" ? "bigint" : "text"}`;
    }
    return type === "text" || this.chance(15) ? `'${value}'` : value;
  }

  #source(table: WorldView & { readonly primaryKey?: readonly string[] | undefined }): Source {
    return { alias: `t${this.#aliases++}`, columns: table.columns, key: table.key, primaryKey: table.primaryKey };
  }

  #column(sources: readonly Source[], type?: "int" | "text"): string {
    const columns = sources.flatMap((source) => Object.entries(source.columns).flatMap(([name, found]) => (type === undefined || found === type ? [named(source, name)] : [])));
    return columns.length === 0 ? (type === "text" ? "'a'" : "1") : this.one(columns);
  }

  #keyed(sources: readonly Source[]): readonly Source[] {
    return sources.filter(({ key }) => key !== undefined);
  }

  #keyType(source: Source): "int" | "text" {
    return source.columns[source.key!]!;
  }

  #predicate(sources: readonly Source[], outer: readonly Source[], depth: number): string {
    const keyed = this.#keyed(sources);
    const kind = this.pick([["compare", 6], ["key", keyed.length > 0 ? 7 : 0], ["columns", 2], ["or", depth > 0 ? 3 : 0], ["not", depth > 0 ? 1 : 0], ["null", 1], ["exists", depth > 0 ? 3 : 0], ["in", depth > 0 ? 3 : 0], ["scalar", depth > 0 ? 1 : 0], ["tie", outer.length > 0 ? 5 : 0], ["random", 0]] as const);
    switch (kind) {
      case "compare": {
        const type = this.one(["int", "text"] as const);
        return `${this.#column(sources, type)} ${this.one(["=", "<>", "<", ">=", "IS DISTINCT FROM"])} ${this.#value(type)}`;
      }
      case "key": {
        const source = this.one(keyed);
        const type = this.#keyType(source);
        const column = `${source.alias}.${source.key!}`;
        const form = this.one(["=", "=", "=", "reversed", "in", "any", "row", "distinct"] as const);
        if (form === "reversed") return `${this.#value(type)} = ${column}`;
        if (form === "in") return `${column} IN (${[this.#value(type), this.#value(type)].join(", ")})`;
        if (form === "any") return `${column} = ANY (ARRAY[${this.#value(type)}, ${this.#value(type)}]::${type === "int" ? "bigint" : "text"}[])`;
        if (form === "row") return `(${column}, 1) = (${this.#value(type)}, 1)`;
        return `${column} ${form === "distinct" ? "IS NOT DISTINCT FROM" : "="} ${this.#value(type)}`;
      }
      case "columns": {
        const type = this.one(["int", "text"] as const);
        return `${this.#column(sources, type)} = ${this.#column(sources, type)}`;
      }
      case "or":
        return `(${this.#predicate(sources, outer, depth - 1)} ${this.one(["OR", "OR", "AND"])} ${this.#predicate(sources, outer, depth - 1)})`;
      case "not":
        return `NOT (${this.#predicate(sources, outer, depth - 1)})`;
      case "null":
        return `${this.#column(sources)} IS ${this.one(["", "NOT "])}NULL`;
      case "exists":
        return `${this.one(["", "", "NOT "])}EXISTS (${this.#subquery(sources, depth - 1, "1")})`;
      case "in": {
        const outerKey = keyed.length > 0 && this.chance(70) ? this.one(keyed) : undefined;
        const type = outerKey === undefined ? this.one(["int", "text"] as const) : this.#keyType(outerKey);
        const left = outerKey === undefined ? this.#column(sources, type) : `${outerKey.alias}.${outerKey.key!}`;
        return `${left} ${this.pick([["IN", 5], ["NOT IN", 1], ["= ANY", 1]])} (${this.#subquery(sources, depth - 1, { type })})`;
      }
      case "scalar":
        return `${this.#column(sources, "int")} ${this.one(["=", ">="])} (${this.#subquery(sources, depth - 1, "max")})`;
      case "tie": {
        const type = this.one(["int", "text"] as const);
        const [inner, around] = [this.#keyed(sources), this.#keyed(outer)];
        const pairs = inner.flatMap((a) => around.filter((b) => this.#keyType(a) === this.#keyType(b)).map((b) => `${a.alias}.${a.key!} = ${b.alias}.${b.key!}`));
        return pairs.length > 0 && this.chance(80) ? this.one(pairs) : `${this.#column(sources, type)} = ${this.#column(outer, type)}`;
      }
      case "random":
        return "true";
    }
  }

  /** One or two conditions that all hold. */
  #condition(sources: readonly Source[], outer: readonly Source[], depth: number): string {
    return Array.from({ length: this.pick([[1, 4], [2, 4], [3, 1]]) }, () => this.#predicate(sources, outer, depth)).join(" AND ");
  }

  #subquery(outer: readonly Source[], depth: number, answer: "1" | "max" | { readonly type: "int" | "text" }): string {
    const { from, sources } = this.#from(depth, 80);
    const where = this.chance(85) ? ` WHERE ${this.#condition(sources, outer, depth)}` : "";
    if (answer === "1") return `SELECT 1 FROM ${from}${where}`;
    if (answer === "max") return `SELECT ${this.one(["max", "min", "count"])}(${this.#column(sources, "int")}) FROM ${from}${where}`;
    const keys = this.#keyed(sources).filter((source) => this.#keyType(source) === answer.type);
    const column = keys.length > 0 && this.chance(70) ? `${this.one(keys).alias}.${keys[0]!.key!}` : this.#column(sources, answer.type);
    const known = keys.length > 0 && !sources.some(({ alias, columns }) => column.startsWith(`${alias}.`) && column.slice(alias.length + 1) in columns) ? `${keys[0]!.alias}.${keys[0]!.key!}` : column;
    const alone = sources.length === 1 && sources[0]!.key === undefined;
    if (alone && this.chance(30)) {
      const by = this.chance(50) ? (sources[0]!.primaryKey ?? ["1"]) : [this.#column(sources)];
      return `SELECT ${known} FROM ${from}${where} ORDER BY ${by.map((column) => (/\W/.test(column) || column === "1" ? column : `${sources[0]!.alias}.${column}`)).join(", ")} LIMIT ${this.draw(fc.integer({ min: 1, max: 4 }))}`;
    }
    return `SELECT ${known} FROM ${from}${where}${this.chance(6) ? ` ORDER BY 1 LIMIT ${this.draw(fc.integer({ min: 1, max: 3 }))}` : ""}`;
  }

  // --- FROM

  /** @param near a range with which it may well share its sharding key */
  #range(depth: number, near?: Source): { readonly text: string; readonly source: Source } {
    if (depth <= 0 || this.chance(85)) {
      const alike = near?.key === undefined || !this.chance(50) ? [] : WORLD_TABLES.filter((table) => table.key !== undefined && table.columns[table.key] === this.#keyType(near));
      const table = alike.length > 0 ? this.one(alike) : this.#anyTable();
      const source = this.#source(table);
      return { text: `${table.name} ${source.alias}`, source };
    }
    const alias = `t${this.#aliases++}`;
    const inner = this.#from(depth - 1, 85);
    const where = this.chance(60) ? ` WHERE ${this.#condition(inner.sources, [], depth - 1)}` : "";
    const keyed = this.#keyed(inner.sources);
    const key = keyed.length > 0 && this.chance(80) ? this.one(keyed) : undefined;
    const first = key === undefined ? this.#column(inner.sources, "int") : `${key.alias}.${key.key!}`;
    const type = key === undefined ? "int" : this.#keyType(key);
    const form = this.pick([["plain", 5], ["grouped", 3], ["distinct", 2], ["limited", 1]] as const);
    const second = form === "grouped" ? `count(*) AS c` : `${this.#column(inner.sources, "int")} AS c`;
    const tail = form === "grouped" ? ` GROUP BY ${this.one(["1", first])}` : form === "limited" ? ` ORDER BY 1, 2 LIMIT ${this.draw(fc.integer({ min: 0, max: 4 }))}` : "";
    const text = `(SELECT ${form === "distinct" ? "DISTINCT " : ""}${first} AS k, ${second} FROM ${inner.from}${where}${tail}) ${alias}`;
    return { text, source: { alias, columns: { k: type, c: "int" }, key: key === undefined ? undefined : "k", primaryKey: undefined } };
  }

  #from(depth: number, single: number): { readonly from: string; readonly sources: readonly Source[] } {
    const first = this.#range(depth);
    let text = first.text;
    const sources = [first.source];
    const merged: { readonly name: string; readonly type: "int" | "text" }[] = [];
    const more = this.chance(single) ? 0 : this.pick([[1, 4], [2, 2], [3, 1]]);
    for (let index = 0; index < more; index++) {
      const { text: next, source } = this.#lateral(sources, depth) ?? this.#range(depth, this.one(sources));
      const join = this.pick([["JOIN", 6], ["LEFT JOIN", 5], ["RIGHT JOIN", 2], ["FULL JOIN", 2], [",", 2], ["CROSS JOIN", 1]] as const);
      const lateral = next.startsWith("LATERAL");
      const common = Object.keys(source.columns).filter((name) => sources.length === 1 && sources[0]!.columns[name] === source.columns[name]);
      if (!lateral && join.endsWith(" JOIN") && join !== "CROSS JOIN" && common.length > 0 && this.chance(60)) {
        const using = common.includes("user_id") && this.chance(80) ? "user_id" : this.one(common);
        merged.push({ name: using, type: source.columns[using]! });
        text = this.chance(30) && common.length === 1 ? `${text} NATURAL ${join} ${next}` : `${text} ${join} ${next} USING (${using})`;
      } else if (join === "," || join === "CROSS JOIN") text = join === "," ? `${text} CROSS JOIN ${next}` : `${text} CROSS JOIN ${next}`;
      else text = `${text} ${lateral && join !== "LEFT JOIN" ? "JOIN" : join} ${next} ON ${this.#joinCondition(sources, source, join === "FULL JOIN" && !lateral)}`;
      sources.push(source);
    }
    // Named without a table, where only one is left of the name.
    if (merged.length > 0 && sources.length === 2 && this.chance(60)) sources.push({ alias: "", columns: { [merged[0]!.name]: merged[0]!.type }, key: undefined, primaryKey: [] });
    return { from: text, sources };
  }

  #lateral(sources: readonly Source[], depth: number): { readonly text: string; readonly source: Source } | undefined {
    if (depth <= 0 || !this.chance(10)) return undefined;
    const table = this.#anyTable();
    const inner = this.#source(table);
    const alias = `t${this.#aliases++}`;
    const body = this.one([`max(${this.#column([inner], "int")}) AS c`, `count(*) AS c`]);
    return { text: `LATERAL (SELECT ${body} FROM ${table.name} ${inner.alias} WHERE ${this.#condition([inner], sources, depth - 1)}) ${alias}`, source: { alias, columns: { c: "int" }, key: undefined, primaryKey: undefined } };
  }

  #joinCondition(left: readonly Source[], right: Source, mergeable: boolean): string {
    const ties = this.#keyed(left).filter((source) => right.key !== undefined && this.#keyType(source) === this.#keyType(right)).map((source) => `${source.alias}.${source.key!} = ${right.alias}.${right.key!}`);
    const types = (["int", "text"] as const).filter((type) => Object.values(right.columns).includes(type) && left.some(({ columns }) => Object.values(columns).includes(type)));
    const type = types.length === 0 ? undefined : this.one(types);
    const plain = type === undefined ? "true" : `${this.#column(left, type)} = ${this.#column([right], type)}`;
    const tie = ties.length > 0 && this.chance(80) ? this.one(ties) : plain;
    return !mergeable && this.chance(25) ? `${tie} AND ${this.#predicate([...left, right], [], 0)}` : tie;
  }

  // --- SELECT

  #topSelect(prefix: string): GeneratedStatement {
    const { from, sources } = this.#from(2, 45);
    const where = this.chance(75) ? ` WHERE ${this.#condition(sources, [], 2)}` : "";
    const form = this.pick([["columns", 6], ["star", 2], ["aggregate", 4], ["grouped", 4], ["distinct", 2], ["window", 1], ["exists", 1]] as const);
    const done = (text: string, ordered = false, loose = false): GeneratedStatement => ({ text: prefix + text, values: this.values, ordered, loose });
    if (form === "exists") return done(`SELECT ${this.one(["", "NOT "])}EXISTS (SELECT 1 FROM ${from}${where})`);
    if (form === "aggregate") {
      const calls = Array.from({ length: this.pick([[1, 3], [2, 2]]) }, () => this.#aggregate(sources));
      return done(`SELECT ${calls.join(", ")} FROM ${from}${where}`);
    }
    if (form === "grouped") {
      const keyed = this.#keyed(sources);
      const key = keyed.length > 0 && this.chance(75) ? this.one(keyed.map(({ alias, key: column }) => `${alias}.${column!}`)) : this.#column(sources);
      const having = this.chance(25) ? ` HAVING count(*) >= ${this.draw(fc.integer({ min: 0, max: 3 }))}` : "";
      const order = this.chance(40);
      const limit = order && this.chance(50) ? ` LIMIT ${this.draw(fc.integer({ min: 0, max: 4 }))}` : "";
      return done(`SELECT ${key} AS g, ${this.#aggregate(sources)} AS a FROM ${from}${where} GROUP BY ${this.one([key, "1"])}${having}${order ? ` ORDER BY g${this.one([" DESC", "", " NULLS FIRST"])}` : ""}${limit}`, order);
    }
    if (form === "window") {
      const partition = [this.#column(sources), ...(this.chance(50) ? this.#keyed(sources).map(({ alias, key: column }) => `${alias}.${column!}`) : [])].join(", ");
      return done(this.chance(50) ? `SELECT ${this.#column(sources)}, count(*) OVER (PARTITION BY ${partition}) FROM ${from}${where}` : `SELECT ${this.#column(sources)}, sum(${this.#column(sources, "int")}) OVER w FROM ${from}${where} WINDOW w AS (PARTITION BY ${partition})`);
    }
    const targets = form === "star" ? "*" : Array.from({ length: this.pick([[1, 2], [2, 3], [3, 1]]) }, () => this.#target(sources)).join(", ");
    if (form === "distinct" && this.chance(60)) return done(`SELECT DISTINCT ${targets} FROM ${from}${where}`);
    if (form === "distinct") {
      const on = this.#column(sources);
      const certain = sources.every(({ primaryKey }) => primaryKey !== undefined);
      const keys = sources.flatMap(({ alias, primaryKey }) => primaryKey?.map((column) => `${alias}.${column}`) ?? []);
      return certain ? done(`SELECT DISTINCT ON (${on}) ${on}, ${targets} FROM ${from}${where} ORDER BY ${[on, ...keys].join(", ")}`, true) : done(`SELECT DISTINCT ON (${on}) ${on} FROM ${from}${where}`);
    }
    if (!this.chance(55)) return done(`SELECT ${targets} FROM ${from}${where}`);
    // By the primary keys of all tables at last, so that the order is certain.
    const keys = sources.flatMap(({ alias, primaryKey }) => primaryKey?.map((column) => `${alias}.${column}`) ?? []);
    const certain = sources.every(({ primaryKey }) => primaryKey !== undefined) && this.chance(90);
    const by = [...(this.chance(60) ? [`${this.#column(sources)}${this.one(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])}`] : []), ...(certain ? keys : [])];
    if (by.length === 0) by.push(keys[0] ?? "1");
    const limit = this.chance(55) ? ` LIMIT ${this.#count(6)}` : "";
    const offset = this.chance(25) ? ` OFFSET ${this.#count(4)}` : "";
    return done(`SELECT ${targets} FROM ${from}${where} ORDER BY ${by.join(", ")}${limit}${offset}`, certain, !certain && limit + offset !== "");
  }

  #count(most: number): string {
    const count = String(this.draw(fc.integer({ min: 0, max: most })));
    if (!this.chance(40)) return count;
    this.values.push(this.chance(5) ? null : count);
    return `$${this.values.length}`;
  }

  #target(sources: readonly Source[]): string {
    return this.pick([[this.#column(sources), 6], [`${this.#column(sources, "int")} + 1 AS e`, 1], [`upper(${this.#column(sources, "text")})`, 1], [`coalesce(${this.#column(sources, "int")}, 0)`, 1], [`(SELECT max(s.v) FROM items s WHERE ${this.#scalarCondition(sources)} AND EXISTS (SELECT FROM carts c WHERE c.user_id = ${this.one(["s.user_id", this.#column(sources, "int")])}))`, 1]] as const);
  }

  #aggregate(sources: readonly Source[]): string {
    const int = this.#column(sources, "int");
    return this.one(["count(*)", "count(*)", `count(${this.#column(sources)})`, `sum(${int})`, `coalesce(sum(${int}), 0)`, `min(${int})`, `max(${this.#column(sources)})`, `count(DISTINCT ${this.#column(sources)})`, `avg(${int})`, `bool_or(${int} > 3)`]);
  }

  #union(): GeneratedStatement {
    const type = this.one(["int", "text"] as const);
    const side = (): string => {
      const { from, sources } = this.#from(1, 80);
      const keyed = this.#keyed(sources).filter((source) => this.#keyType(source) === type);
      const key = keyed.length > 0 && this.chance(70) ? this.one(keyed) : undefined;
      const column = key === undefined ? this.#column(sources, type) : `${key.alias}.${key.key!}`;
      return `SELECT ${column} AS u FROM ${from}${this.chance(60) ? ` WHERE ${this.#condition(sources, [], 1)}` : ""}`;
    };
    const operation = this.pick([["UNION ALL", 4], ["UNION", 2], ["EXCEPT", 1], ["INTERSECT", 1]]);
    const text = `${side()} ${operation} ${side()}`;
    const order = type === "int" && this.chance(40);
    return { text: order ? `${text} ORDER BY u${this.one(["", " DESC"])}${this.chance(50) ? " LIMIT 3" : ""}` : text, values: this.values, ordered: order, loose: false };
  }

  #with(): GeneratedStatement {
    const alias = `t${this.#aliases++}`;
    const table = this.#table(this.chance(85));
    const inner = this.#source(table);
    const change = this.pick([["", 6], ["delete", 3], ["update", 1], ["insert", 2]] as const);
    const where = ` WHERE ${this.#condition([inner], [], 1)}`;
    const row = (): string => `(${Object.values(table.columns).map((type) => this.#inserted(type)).join(", ")})`;
    const body =
      change === "delete" ? `DELETE FROM ${table.name} ${inner.alias}${where} RETURNING ${inner.alias}.*`
      : change === "update" ? `UPDATE ${table.name} ${inner.alias} SET ${this.#assignments(table, [inner])}${where} RETURNING ${inner.alias}.*`
      : change === "insert" ? `INSERT INTO ${table.name} VALUES ${row()}${this.chance(30) ? `, ${row()}` : ""} ON CONFLICT (${table.primaryKey.join(", ")}) DO NOTHING RETURNING *`
      : `SELECT * FROM ${table.name} ${inner.alias}${where}`;
    const source: Source = { alias, columns: table.columns, key: table.key, primaryKey: table.primaryKey };
    const prefix = `WITH w AS (${body}) `;
    const other = this.chance(35) ? this.#anyTable() : undefined;
    const others = other === undefined ? [] : [this.#source(other)];
    const from = other === undefined ? `w ${alias}` : `w ${alias} JOIN ${other.name} ${others[0]!.alias} ON ${this.#joinCondition([source], others[0]!, false)}`;
    const rest = this.chance(50) ? ` WHERE ${this.#condition([source, ...others], [], 0)}` : "";
    const targets = this.chance(30) ? this.#aggregate([source, ...others]) : `${this.#column([source, ...others])}, ${this.#column([source])}`;
    if (change !== "" && this.chance(20)) {
      const next = this.#table(true);
      return this.#plain(`${prefix}${this.one([() => this.#delete(next), () => this.#insert(next), () => `SELECT * FROM ${next.name} n WHERE ${this.#condition([{ ...this.#source(next), alias: "n" }], [], 0)}`])()}`);
    }
    const tail = this.chance(15) ? ` UNION ALL SELECT ${targets.includes("(") ? "1" : "NULL, NULL"} FROM ${this.#table(true).name}` : "";
    return this.#plain(`${prefix}SELECT ${targets} FROM ${from}${rest}${tail}`);
  }

  // --- changes

  #assignments(table: WorldTable, sources: readonly Source[]): string {
    const others = Object.keys(table.columns).filter((column) => !table.primaryKey.includes(column));
    const names = [this.one(this.chance(6) ? [...table.primaryKey] : others)];
    return names.map((name) => `${name} = ${this.#assigned(table.columns[name]!, sources)}`).join(", ");
  }

  #assigned(type: "int" | "text", sources: readonly Source[]): string {
    const simple = this.#column(sources, type);
    const computed = type === "int" ? `${simple} + 1` : `${simple} || 'x'`;
    return this.pick([[this.#value(type), 4], [simple, 2], [computed, 2], [`(SELECT max(${type === "int" ? "v" : "note"}) FROM items s WHERE ${this.#scalarCondition(sources)})`, 1]]);
  }

  #scalarCondition(sources: readonly Source[]): string {
    const keyed = this.#keyed(sources).filter((source) => this.#keyType(source) === "int");
    return keyed.length > 0 && this.chance(70) ? `s.user_id = ${keyed[0]!.alias}.${keyed[0]!.key!}` : `s.n = ${this.#column(sources, "int")}`;
  }

  #update(table: WorldTable): string {
    const target = this.#source(table);
    const other = this.chance(25) ? this.#anyTable() : undefined;
    const others = other === undefined ? [] : [this.#source(other)];
    const tie = other === undefined ? "" : ` AND ${this.#joinCondition([target], others[0]!, false)}`;
    const from = other === undefined ? "" : ` FROM ${other.name} ${others[0]!.alias}`;
    // Which of several matching rows is taken is not certain: the target's own columns and constants are.
    const set = this.#assignments(table, [target]);
    return `UPDATE ${table.name} ${target.alias} SET ${set}${from} WHERE ${this.#condition([target, ...others], [], 1)}${tie}${this.#returning(target)}`;
  }

  #delete(table: WorldTable): string {
    const target = this.#source(table);
    const other = this.chance(25) ? this.#anyTable() : undefined;
    const others = other === undefined ? [] : [this.#source(other)];
    const tie = other === undefined ? "" : ` AND ${this.#joinCondition([target], others[0]!, false)}`;
    return `DELETE FROM ${table.name} ${target.alias}${other === undefined ? "" : ` USING ${other.name} ${others[0]!.alias}`} WHERE ${this.#condition([target, ...others], [], 1)}${tie}${this.#returning(target)}`;
  }

  #returning(target: Source): string {
    return this.chance(40) ? ` RETURNING ${this.one([`${target.alias}.*`, this.#column([target])])}` : "";
  }

  #insert(table: WorldTable): string {
    const columns = Object.entries(table.columns);
    // A serial may be left out.
    const given = table.name === "products" && this.chance(60) ? columns.slice(1) : this.chance(20) ? columns.slice(0, -1) : columns;
    const names = given.map(([name]) => name);
    const conflict = this.pick([["", 3], [` ON CONFLICT (${table.primaryKey.join(", ")}) DO NOTHING`, 3], [` ON CONFLICT (${table.primaryKey.join(", ")}) DO UPDATE SET ${given.at(-1)![0]} = excluded.${given.at(-1)![0]}`, table.primaryKey.includes(given.at(-1)![0]) || !names.includes(table.primaryKey[0]!) ? 0 : 2], [" ON CONFLICT DO NOTHING", 1]]);
    const returning = this.chance(40) ? ` RETURNING *` : "";
    const into = `INSERT INTO ${table.name} (${names.join(", ")})`;
    if (this.chance(65)) {
      const rows = Array.from({ length: this.pick([[1, 3], [2, 2], [3, 2]]) }, () => `(${given.map(([, type]) => this.#inserted(type)).join(", ")})`);
      return `${into} VALUES ${rows.join(", ")}${conflict}${returning}`;
    }
    const { from, sources } = this.#from(1, 75);
    const keyed = this.#keyed(sources);
    const values = given.map(([name, type]) => {
      const key = keyed.find((source) => this.#keyType(source) === type);
      if (name === table.key && key !== undefined && this.chance(75)) return `${key.alias}.${key.key!}`;
      return this.chance(name === table.key ? 50 : 20) ? this.#value(type) : this.#column(sources, type);
    });
    // Of rows with the same key it has to be certain which one there is, and so which one conflicts.
    const places = names.flatMap((name, index) => (table.primaryKey.includes(name) ? [index + 1] : []));
    const distinct = conflict === "" || places.length < table.primaryKey.length ? "DISTINCT" : `DISTINCT ON (${places.join(", ")})`;
    const order = distinct === "DISTINCT" ? "" : ` ORDER BY ${[...places, ...names.map((_, index) => index + 1)].join(", ")}`;
    return `${into} SELECT ${distinct} ${values.map((value, index) => `${value} AS c${index}`).join(", ")} FROM ${from}${this.chance(60) ? ` WHERE ${this.#condition(sources, [], 1)}` : ""}${order}${conflict}${returning}`;
  }

  #merge(): string {
    const [table, source] = [this.one(WORLD_TABLES.filter(({ name }) => name === "carts" || name === "items" || name === "countries")), this.#anyTable()];
    const [target, other] = [this.#source(table), this.#source(source)];
    const whens = [
      ...(this.chance(70) ? [`WHEN MATCHED${this.chance(30) ? ` AND ${this.#predicate([target, other], [], 0)}` : ""} THEN ${this.one([`UPDATE SET ${this.#assignments(table, [target])}`, "DELETE"])}`] : []),
      ...(this.chance(50) ? [`WHEN NOT MATCHED THEN INSERT (${table.primaryKey.join(", ")}) VALUES (${table.primaryKey.map((column) => (column === table.key && other.key !== undefined && this.chance(80) ? `${other.alias}.${other.key}` : this.chance(50) ? this.#value(table.columns[column]!) : this.#column([other], table.columns[column]))).join(", ")})`] : []),
      ...(this.chance(20) ? ["WHEN NOT MATCHED BY SOURCE THEN DELETE"] : []),
    ];
    return `MERGE INTO ${table.name} ${target.alias} USING ${source.name} ${other.alias} ON ${this.#joinCondition([target], other, false)}${this.chance(40) ? ` AND ${this.#predicate([target], [], 0)}` : ""} ${whens.length > 0 ? whens.join(" ") : "WHEN MATCHED THEN DELETE"}`;
  }

  /** Keys that are not there yet, mostly. */
  #inserted(type: "int" | "text"): string {
    const value = type === "int" ? String(this.draw(fc.integer({ min: 5, max: 60 }))) : `'${this.one(["a", "m", "n", "o", "p", "q", "r", "s", "u"])}${this.one(["", "", "x", "y"])}'`;
    if (!this.chance(25)) return value;
    this.values.push(value.replaceAll("'", ""));
    return `$${this.values.length}`;
  }
}
