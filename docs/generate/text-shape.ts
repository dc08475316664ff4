import ts from "@typescript/typescript6";

/** What the parameters of a surrounding function are given. */
export type Bindings = ReadonlyMap<string, ts.Expression | undefined>;

/** The codes that an expression may be; "passed on" where it is another error's; undefined where it cannot be told. */
export function codesOf(expression: ts.Expression, bindings: Bindings): readonly string[] | "passed on" | undefined {
  if (ts.isStringLiteralLike(expression)) return [expression.text];
  if (ts.isParenthesizedExpression(expression)) return codesOf(expression.expression, bindings);
  if (ts.isConditionalExpression(expression)) {
    const branches = [codesOf(expression.whenTrue, bindings), codesOf(expression.whenFalse, bindings)];
    return branches.every((branch) => Array.isArray(branch)) ? branches.flat() as string[] : undefined;
  }
  // `other?.code ?? "CODE"`
  if (ts.isBinaryExpression(expression) && expression.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) return codesOf(expression.right, bindings);
  if (ts.isPropertyAccessExpression(expression)) return expression.name.text === "code" ? "passed on" : undefined;
  if (!ts.isIdentifier(expression)) return undefined;
  const bound = bindings.get(expression.text);
  if (bound !== undefined) return codesOf(bound, new Map());
  const declared = declarationOf(expression);
  if (declared === undefined) return undefined;
  if (!ts.isVariableDeclaration(declared) || declared.initializer === undefined) return "passed on";
  return ts.isCallExpression(declared.initializer) ? "passed on" : codesOf(declared.initializer, bindings);
}

/** Between the texts that a condition chooses from. */
const OR = " Or: ";

/** Functions that write their argument as something else. */
const WRITERS = ["escapeIdentifier", "escapeLiteral", "stringify", "keys", "floor", "trunc", "round"];

/** A text as far as it can be told from the source, `{name}` where something is put in. */
export function shapeOf(expression: ts.Expression, bindings: Bindings): string {
  if (ts.isStringLiteralLike(expression)) return expression.text;
  if (ts.isParenthesizedExpression(expression) || ts.isNonNullExpression(expression) || ts.isAsExpression(expression)) return shapeOf(expression.expression, bindings);
  if (ts.isTemplateExpression(expression)) {
    return expression.head.text + expression.templateSpans.map(({ expression: inner, literal }) => longest(shapeOf(inner, bindings).split(OR)) + literal.text).join("");
  }
  if (ts.isBinaryExpression(expression)) {
    const [left, right] = [shapeOf(expression.left, bindings), shapeOf(expression.right, bindings)];
    return expression.operatorToken.kind === ts.SyntaxKind.PlusToken ? left + right : isPlaceholder(left) ? left : right;
  }
  if (ts.isConditionalExpression(expression)) return [...new Set(variants(expression, bindings))].filter((text) => text !== "").join(OR);
  if (ts.isIdentifier(expression)) return shapeOfName(expression, bindings);
  if (ts.isPropertyAccessExpression(expression)) return `{${expression.name.text.replace(/^#/u, "")}}`;
  if (ts.isCallExpression(expression)) return shapeOfCall(expression, bindings);
  return "{…}";
}

function variants(expression: ts.Expression, bindings: Bindings): readonly string[] {
  if (!ts.isConditionalExpression(expression)) return [shapeOf(expression, bindings)];
  return [...variants(expression.whenTrue, bindings), ...variants(expression.whenFalse, bindings)];
}

function shapeOfName(name: ts.Identifier, bindings: Bindings): string {
  const bound = bindings.get(name.text);
  if (bound !== undefined) return shapeOf(bound, new Map());
  const declared = declarationOf(name);
  const value = declared !== undefined && ts.isVariableDeclaration(declared) ? declared.initializer : undefined;
  return value !== undefined && (ts.isStringLiteralLike(value) || ts.isTemplateExpression(value) || ts.isConditionalExpression(value)) ? shapeOf(value, bindings) : `{${name.text}}`;
}

/** `counted(n, "table")` as such; of others, what they are called on or with. */
function shapeOfCall(call: ts.CallExpression, bindings: Bindings): string {
  const callee = call.expression;
  const named = ts.isIdentifier(callee) ? callee.text : ts.isPropertyAccessExpression(callee) ? callee.name.text : "";
  const [first, second] = call.arguments;
  if (named === "counted" && second !== undefined && ts.isStringLiteralLike(second)) return `{number} ${second.text}s`;
  if (["displayAddress", "serverName"].includes(named)) return "{server}";
  if (named === "reasonOf") return "{reason}";
  const declared = ts.isIdentifier(callee) ? functionNamed(callee) : undefined;
  if (declared !== undefined) {
    const given: Bindings = new Map(declared.parameters.map(({ name }, index) => [name.getText(), call.arguments[index]]));
    const answer = declared.body?.statements.length === 1 ? declared.body.statements[0] : undefined;
    if (answer !== undefined && ts.isReturnStatement(answer) && answer.expression !== undefined && ts.isTemplateExpression(answer.expression)) return shapeOf(answer.expression, given);
  }
  if (WRITERS.includes(named) && first !== undefined) return innermost(first, bindings);
  if (ts.isPropertyAccessExpression(callee)) return innermost(callee.expression, bindings);
  return first === undefined ? `{${named}}` : innermost(first, bindings);
}

/** The name at the bottom of `names.map(…).join(…)`. */
function innermost(expression: ts.Expression, bindings: Bindings): string {
  if (ts.isArrayLiteralExpression(expression) && ts.isSpreadElement(expression.elements[0]!)) return innermost(expression.elements[0].expression, bindings);
  if (ts.isCallExpression(expression) && ts.isPropertyAccessExpression(expression.expression)) return innermost(expression.expression.expression, bindings);
  const shape = shapeOf(expression, bindings);
  return isPlaceholder(shape) ? shape : "{…}";
}

function isPlaceholder(text: string): boolean {
  return /^\{[^{}]*\}$/u.test(text);
}

function longest(texts: readonly string[]): string {
  return texts.reduce((best, text) => (text.length > best.length ? text : best));
}

function functionNamed(name: ts.Identifier): ts.FunctionDeclaration | undefined {
  return name.getSourceFile().statements.find((statement): statement is ts.FunctionDeclaration => ts.isFunctionDeclaration(statement) && statement.name?.text === name.text);
}

/** The nearest variable, or part of one that is taken apart, of that name above. */
export function declarationOf(name: ts.Identifier): ts.VariableDeclaration | ts.BindingElement | ts.ParameterDeclaration | undefined {
  for (let at: ts.Node = name; !ts.isSourceFile(at); at = at.parent) {
    const found = declaredIn(at.parent, name.text);
    if (found !== undefined) return found;
  }
  return undefined;
}

function declaredIn(scope: ts.Node, name: string): ts.VariableDeclaration | ts.BindingElement | ts.ParameterDeclaration | undefined {
  const nodes: readonly ts.Node[] = ts.isBlock(scope) || ts.isSourceFile(scope) ? scope.statements.filter(ts.isVariableStatement).flatMap(({ declarationList }) => declarationList.declarations) : ts.isFunctionLike(scope) ? scope.parameters : [];
  for (const node of nodes as readonly (ts.VariableDeclaration | ts.ParameterDeclaration)[]) {
    if (ts.isIdentifier(node.name)) {
      if (node.name.text === name) return node;
    } else {
      const part = node.name.elements.find((element) => ts.isBindingElement(element) && ts.isIdentifier(element.name) && element.name.text === name);
      if (part !== undefined && ts.isBindingElement(part)) return part;
    }
  }
  return undefined;
}
