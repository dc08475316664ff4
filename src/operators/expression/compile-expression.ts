import { didYouMean } from "../../config/did-you-mean.js";
import { displayName } from "../../postgres/identifiers.js";
import type { TableBatch, TableShape } from "../../table-batch.js";
import type { TableColumn } from "../../value-column.js";
import { type Comparand, NotComparable, signsOf } from "./compare-operands.js";
import { ExpressionError } from "./expression-error.js";
import { likeMatcher } from "./like-pattern.js";
import { type Comparison, type Expression, type Operand, parseExpression } from "./parse-expression.js";
import { isText } from "./text-keys.js";
import { valueReader } from "./value-reader.js";

/** SQL's three values of truth. */
export const FALSE = 0;
export const TRUE = 1;
export const UNKNOWN = 2;
export type Truth = typeof FALSE | typeof TRUE | typeof UNKNOWN;

/** A condition on the rows of a batch. */
export type Condition = (batch: TableBatch) => (row: number) => Truth;

/**
 * Makes a condition of an expression (`parseExpression` says what it may hold) for a table: names and types are checked
 * now, rows only looked at later. It means what it means to PostgreSQL, with text compared bytewise (collation "C").
 * @throws ExpressionError
 */
export function compileExpression(text: string, table: TableShape): Condition {
  return new Compiler(text, table).condition(parseExpression(text));
}

/** The columns that an expression names, each once. @throws ExpressionError */
export function expressionColumns(text: string): string[] {
  const names = new Set<string>();
  const visit = (expression: Expression): void => {
    for (const operand of operandsOf(expression)) if (operand.kind === "column") names.add(operand.name);
    for (const part of partsOf(expression)) visit(part);
  };
  visit(parseExpression(text));
  return [...names];
}

function partsOf(expression: Expression): readonly Expression[] {
  if (expression.kind === "and" || expression.kind === "or") return expression.parts;
  return expression.kind === "not" ? [expression.part] : [];
}

function operandsOf(expression: Expression): readonly Operand[] {
  if (expression.kind === "compare") return [expression.left, expression.right];
  return "operand" in expression ? [expression.operand] : [];
}

const VERDICTS: Readonly<Record<Comparison, (sign: number) => boolean>> = {
  "=": (sign) => sign === 0,
  "<>": (sign) => sign !== 0,
  "<": (sign) => sign < 0,
  "<=": (sign) => sign <= 0,
  ">": (sign) => sign > 0,
  ">=": (sign) => sign >= 0,
};

class Compiler {
  readonly #text: string;
  readonly #table: TableShape;

  constructor(text: string, table: TableShape) {
    this.#text = text;
    this.#table = table;
  }

  condition(expression: Expression): Condition {
    switch (expression.kind) {
      case "and":
        return all(expression.parts.map((part) => this.condition(part)));
      case "or":
        return any(expression.parts.map((part) => this.condition(part)));
      case "not":
        return negated(this.condition(expression.part));
      case "truth":
        return this.#truth(expression.operand);
      case "null":
        return this.#isNull(expression.operand);
      case "compare":
        return this.#compare(expression.comparison, expression.left, expression.right);
      case "like":
        return this.#like(expression);
    }
  }

  #truth(operand: Operand): Condition {
    if (operand.kind === "null") return always(UNKNOWN);
    if (operand.kind === "boolean") return always(operand.value ? TRUE : FALSE);
    if (operand.kind === "column" && this.#column(operand).type === "bool") return this.#compare("=", operand, { kind: "boolean", value: true, at: operand.at });
    throw this.#error(operand.kind === "column" ? `${operand.name} is ${this.#column(operand).type}, no boolean: compare it with something` : "a condition was expected, such as age >= 18", operand.at);
  }

  #isNull(operand: Operand): Condition {
    if (operand.kind !== "column") return always(operand.kind === "null" ? TRUE : FALSE);
    const { name } = this.#column(operand);
    return (batch) => valueReader<Truth, Truth>(batch.column(name), () => FALSE, TRUE);
  }

  #compare(comparison: Comparison, left: Operand, right: Operand): Condition {
    const [leftSide, rightSide] = [this.#comparand(left), this.#comparand(right)];
    if (leftSide === undefined || rightSide === undefined) return always(UNKNOWN);
    try {
      const signs = signsOf(leftSide, rightSide, comparison === "=" || comparison === "<>");
      const verdict = VERDICTS[comparison];
      return (batch) => {
        const sign = signs(batch);
        return (row) => {
          const value = sign(row);
          return Number.isNaN(value) ? UNKNOWN : verdict(value) ? TRUE : FALSE;
        };
      };
    } catch (error) {
      if (!(error instanceof NotComparable)) throw error;
      throw this.#error(error.message, right.kind === "column" ? left.at : right.at);
    }
  }

  #like({ insensitive, operand, pattern, at }: Extract<Expression, { kind: "like" }>): Condition {
    if (operand.kind === "null") return always(UNKNOWN);
    if (operand.kind === "number" || operand.kind === "boolean" || (operand.kind === "column" && !isText(this.#column(operand).type))) {
      throw this.#error(`LIKE is for text${operand.kind === "column" ? `, and ${operand.name} is ${this.#column(operand).type}` : ""}`, at);
    }
    if (pattern === null) return always(UNKNOWN);
    if (operand.kind === "string") {
      const bytes = Buffer.from(operand.text, "utf8");
      return always(likeMatcher(pattern, insensitive)(bytes, 0, bytes.length) ? TRUE : FALSE);
    }
    const { name, type } = this.#column(operand);
    const matches = likeMatcher(pattern, insensitive || type === "citext");
    return (batch) => valueReader<Truth, Truth>(batch.column(name), (buffer, offset, length) => (matches(buffer, offset, length) ? TRUE : FALSE), UNKNOWN);
  }

  /** Undefined: NULL. */
  #comparand(operand: Operand): Comparand | undefined {
    if (operand.kind === "null") return undefined;
    return operand.kind === "column" ? { kind: "column", name: operand.name, type: this.#column(operand).type } : operand;
  }

  #column({ name, at }: { readonly name: string; readonly at: number }): TableColumn {
    const { columns } = this.#table;
    const column = columns.find((candidate) => candidate.name === name);
    if (column !== undefined) return column;
    const meant = didYouMean(name, columns.map((candidate) => candidate.name));
    throw this.#error(`${displayName(this.#table)} has no column ${name}${meant === undefined ? "" : `: did you mean ${meant}?`}`, at);
  }

  #error(reason: string, at: number): ExpressionError {
    return new ExpressionError(reason, this.#text, at);
  }
}

function always(truth: Truth): Condition {
  return () => () => truth;
}

function all(parts: readonly Condition[]): Condition {
  return joined(parts, FALSE);
}

function any(parts: readonly Condition[]): Condition {
  return joined(parts, TRUE);
}

/** One part that is `decisive` decides; else one that is unknown leaves the whole unknown. */
function joined(parts: readonly Condition[], decisive: typeof TRUE | typeof FALSE): Condition {
  const otherwise = decisive === TRUE ? FALSE : TRUE;
  return (batch) => {
    const conditions = parts.map((part) => part(batch));
    return (row) => {
      let truth: Truth = otherwise;
      for (const condition of conditions) {
        const part = condition(row);
        if (part === decisive) return decisive;
        if (part === UNKNOWN) truth = UNKNOWN;
      }
      return truth;
    };
  };
}

function negated(part: Condition): Condition {
  return (batch) => {
    const condition = part(batch);
    return (row) => {
      const truth = condition(row);
      return truth === UNKNOWN ? UNKNOWN : truth === TRUE ? FALSE : TRUE;
    };
  };
}
