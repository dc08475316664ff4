import fc from "fast-check";
import type { Value } from "../../../src/postgres/value-codec.js";
import type { TableShape } from "../../../src/table-batch.js";

/** Every kind of column that conditions know; `bpchar` is char(4). */
export const TYPES = ["int2", "int4", "int8", "numeric", "float8", "text", "varchar", "bpchar", "bool", "uuid", "date", "timestamp", "timestamptz", "time"] as const;

/** Two columns of each type, `int2_a` and `int2_b`. */
export const EVERYTHING: TableShape = {
  schema: "public", name: "everything",
  columns: [{ name: "id", type: "int4", partOfKey: true }, ...TYPES.flatMap((type) => ["a", "b"].map((which) => ({ name: `${type}_${which}`, type, partOfKey: false })))],
};

export type RowByName = Readonly<Record<string, Value>>;

/** An expression's text, and what it is for a row: worked out naively, beside the code under test. */
export interface Sample {
  readonly text: string;
  readonly truth: (row: RowByName) => boolean | null;
}

interface SampleOperand {
  readonly text: string;
  readonly value: (row: RowByName) => Value;
}

const LITERALS: Readonly<Record<(typeof TYPES)[number], readonly (readonly [text: string, value: Value])[]>> = {
  int2: [["0", 0], ["1", 1], ["-3", -3], ["2.5", "2.5"], ["'2'", 2], ["40000", 40_000]],
  int4: [["1", 1], ["-1", -1], ["1.0", "1.0"], ["' 3 '", 3], ["99999999999", 99_999_999_999n], [".5", "0.5"]],
  int8: [["0", 0], ["9007199254740993", 9_007_199_254_740_993n], ["'9223372036854775807'", 9_223_372_036_854_775_807n], ["1e2", 100], ["12345678901234567890", 12_345_678_901_234_567_890n]],
  numeric: [["1", 1], ["1.50", "1.50"], ["-0.5", "-0.5"], ["'NaN'", "NaN"], ["12345678901234567890.5", "12345678901234567890.5"], ["'1e1'", 10]],
  float8: [["0.1", 0.1], ["1", 1], ["'NaN'", Number.NaN], ["'-Infinity'", -Infinity], ["3.25", 3.25], ["1e400", Infinity]].filter(([text]) => text !== "1e400") as [string, Value][],
  text: [["''", ""], ["'a'", "a"], ["'O''Neil'", "O'Neil"], ["'é'", "é"], ["'ab'", "ab"]],
  varchar: [["'abc'", "abc"], ["'a '", "a "], ["'Z'", "Z"], ["'ü€😀'", "ü€😀"]],
  bpchar: [["'a'", "a"], ["'ab   '", "ab"], ["''", ""], ["'abcd'", "abcd"]],
  bool: [["TRUE", true], ["false", false], ["'t'", true]],
  uuid: [["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"]],
  date: [["'2024-02-29'", "2024-02-29"], ["'infinity'", "infinity"], ["'0044-03-15 BC'", "0044-03-15 BC"]],
  timestamp: [["'2024-02-29'", "2024-02-29 00:00:00"], ["'2024-02-29 12:30'", "2024-02-29 12:30:00"], ["'2024-02-29T12:30:00.50'", "2024-02-29 12:30:00.5"]],
  timestamptz: [["'2024-02-29 02:00+02'", "2024-02-29 00:00:00+00"], ["'2024-02-29T12:30:00.5Z'", "2024-02-29 12:30:00.5+00"], ["'1970-01-01'", "1970-01-01 00:00:00+00"], ["'-infinity'", "-infinity"]],
  time: [["'12:30'", "12:30:00"], ["'24:00:00'", "24:00:00"], ["'12:30:00.500'", "12:30:00.5"]],
};

const NUMBERS: readonly string[] = ["int2", "int4", "int8", "numeric", "float8"];

function columnOf(type: string): fc.Arbitrary<SampleOperand> {
  return fc.constantFrom("a", "b").map((which) => {
    const name = `${type}_${which}`;
    return { text: name, value: (row) => row[name]! };
  });
}

function operandOf(type: (typeof TYPES)[number]): fc.Arbitrary<SampleOperand> {
  return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...LITERALS[type]).map(([text, value]): SampleOperand => ({ text, value: () => value })) }, { weight: 2, arbitrary: columnOf(type) }, { weight: 1, arbitrary: fc.constant<SampleOperand>({ text: "NULL", value: () => null }) });
}

/** Exact for the few digits behind the point that are used here. */
function scaled(value: Value): bigint {
  const [whole, fraction = ""] = String(value).split(".") as [string, string?];
  return BigInt(whole + fraction.padEnd(6, "0"));
}

/** The order of values: all of a type that has other than its own text's is spelt out. */
function compareValues(type: string, a: Exclude<Value, null>, b: Exclude<Value, null>): number {
  if (NUMBERS.includes(type)) {
    const nan = (value: Value): boolean => String(value) === "NaN";
    if (nan(a) || nan(b)) return Number(nan(a)) - Number(nan(b));
    if (type === "float8") return Math.sign(Number(a) - Number(b)) || (Number(a) > Number(b) ? 1 : Number(a) < Number(b) ? -1 : 0);
    const [left, right] = [scaled(a), scaled(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (type === "date" || type.startsWith("timestamp")) {
    const rank = (value: Value): string => (value === "infinity" ? "~" : value === "-infinity" ? " " : String(value).endsWith("BC") ? "!" : String(value));
    return rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0;
  }
  if (type === "bool") return Number(a) - Number(b);
  const bytes = (value: Value): Buffer => Buffer.from(type === "bpchar" ? String(value).replace(/ +$/, "") : String(value));
  return bytes(a).compare(bytes(b));
}

function comparison(type: string, left: SampleOperand, operator: string, right: SampleOperand): Sample["truth"] {
  return (row) => {
    const [a, b] = [left.value(row), right.value(row)];
    if (a === null || b === null) return null;
    const sign = compareValues(type, a, b);
    return { "=": sign === 0, "<>": sign !== 0, "!=": sign !== 0, "<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0 }[operator]!;
  };
}

export const not = (truth: Sample["truth"]): Sample["truth"] => (row) => {
  const value = truth(row);
  return value === null ? null : !value;
};

const either = (parts: readonly Sample["truth"][]): Sample["truth"] => (row) => {
  const values = parts.map((part) => part(row));
  return values.includes(true) ? true : values.includes(null) ? null : false;
};

const both = (parts: readonly Sample["truth"][]): Sample["truth"] => not(either(parts.map(not)));

const type = fc.constantFrom(...TYPES);
const operator = fc.constantFrom("=", "<>", "!=", "<", "<=", ">", ">=");
const negation = fc.boolean();

const compared = type.chain((of) => fc.tuple(columnOf(of), operator, operandOf(of), fc.boolean()).map(([left, sign, right, swapped]): Sample => {
  const [first, second] = swapped ? [right, left] : [left, right];
  return { text: `${first.text} ${sign}${sign === "=" && second.text.startsWith("-") ? "" : " "}${second.text}`, truth: comparison(of, first, sign, second) };
}));

/** Of columns of two types of numbers. */
const mixed = fc.tuple(fc.constantFrom("int2", "int4", "int8", "numeric"), fc.constantFrom("int2", "int4", "int8", "numeric"), operator).chain(([a, b, sign]) => fc.tuple(columnOf(a), columnOf(b)).map(([left, right]): Sample => ({ text: `${left.text}${sign}${right.text}`, truth: comparison("numeric", left, sign, right) })));

const isNull = fc.tuple(type.chain(columnOf), negation).map(([operand, negated]): Sample => ({ text: `${operand.text} IS ${negated ? "NOT " : ""}NULL`, truth: (row) => (operand.value(row) === null) !== negated }));

const inList = type.chain((of) => fc.tuple(columnOf(of), fc.array(operandOf(of), { minLength: 1, maxLength: 4 }), negation).map(([left, list, negated]): Sample => {
  const truth = either(list.map((right) => comparison(of, left, "=", right)));
  return { text: `${left.text} ${negated ? "not " : ""}in (${list.map(({ text }) => text).join(", ")})`, truth: negated ? not(truth) : truth };
}));

const between = type.chain((of) => fc.tuple(columnOf(of), operandOf(of), operandOf(of), negation).map(([left, low, high, negated]): Sample => {
  const truth = both([comparison(of, left, ">=", low), comparison(of, left, "<=", high)]);
  return { text: `${left.text} ${negated ? "NOT " : ""}BETWEEN ${low.text} AND ${high.text}`, truth: negated ? not(truth) : truth };
}));

const pattern = fc.array(fc.constantFrom("%", "_", "a", "b", "A", "é", "\\%", "\\_", "\\\\", "'", "."), { maxLength: 6 }).map((parts) => parts.join(""));

/** As a regular expression, which is what the matcher is not. */
export function likeOracle(of: string, insensitive: boolean): RegExp {
  const source = of.replace(/\\(.)|([%_])|(.)/gsu, (_, escaped: string | undefined, wild: string | undefined, plain: string | undefined) => (wild === "%" ? ".*" : wild === "_" ? "." : (escaped ?? plain!).replace(/[\\^$.*+?()[\]{}|/]/, "\\$&")));
  return new RegExp(`^(?:${source})$`, `su${insensitive ? "i" : ""}`);
}

const like = fc.tuple(fc.constantFrom("text", "varchar", "bpchar").chain(columnOf), pattern, negation, fc.boolean()).map(([operand, of, negated, insensitive]): Sample => {
  const matches: Sample["truth"] = (row) => {
    const value = operand.value(row);
    return value === null ? null : likeOracle(of, insensitive).test(value as string);
  };
  return { text: `${operand.text} ${negated ? "NOT " : ""}${insensitive ? "ILIKE" : "LIKE"} '${of.replaceAll("'", "''")}'`, truth: negated ? not(matches) : matches };
});

const bare = fc.oneof(columnOf("bool").map((operand): Sample => ({ text: operand.text, truth: (row) => operand.value(row) as boolean | null })), fc.constantFrom<Sample>({ text: "TRUE", truth: () => true }, { text: "False", truth: () => false }, { text: "null", truth: () => null }));

const leaf = fc.oneof({ weight: 6, arbitrary: compared }, { weight: 2, arbitrary: mixed }, { weight: 2, arbitrary: isNull }, { weight: 2, arbitrary: inList }, { weight: 2, arbitrary: between }, { weight: 3, arbitrary: like }, { weight: 1, arbitrary: bare });

/** Conditions that PostgreSQL and this project read alike. */
export const conditions: fc.Arbitrary<Sample> = fc.letrec<{ condition: Sample; leaf: Sample; list: Sample; not: Sample; group: Sample }>((tie) => ({
  leaf,
  group: tie("condition").map(({ text, truth }) => ({ text: `(${text})`, truth })),
  not: fc.oneof(tie("leaf"), tie("group")).map(({ text, truth }) => ({ text: `NOT ${text}`, truth: not(truth) })),
  // Parts bind tighter than both, so that no parentheses are needed.
  list: fc.tuple(fc.constantFrom("and", "OR"), fc.array(fc.oneof({ weight: 3, arbitrary: tie("leaf") }, tie("not"), tie("group")), { minLength: 2, maxLength: 4 })).map(([word, parts]) => {
    const truths = parts.map(({ truth }) => truth);
    return { text: parts.map(({ text }) => text).join(` ${word}\n`), truth: word === "and" ? both(truths) : either(truths) };
  }),
  condition: fc.oneof({ maxDepth: 4, depthSize: "small", withCrossShrink: true }, tie("leaf"), tie("list"), tie("not")),
})).condition;
