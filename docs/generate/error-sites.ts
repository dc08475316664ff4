import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "@typescript/typescript6";
import { type Bindings, codesOf, declarationOf, shapeOf } from "./text-shape.js";

/** A place of the source where an error that users see is made. */
export interface ErrorSite {
  readonly code: string;
  /** The message, `{name}` where something is put in. */
  readonly message: string;
  readonly remedy: string | undefined;
  readonly kind: string;
}

/** Arguments of an error's constructor as a site gives them. */
interface Construction {
  readonly call: ts.NewExpression | ts.CallExpression;
  readonly bindings: Bindings;
}

const ERROR = "ReshardError";

/**
 * Every `new ReshardError(…)` of the source, also through classes that extend it and through functions that are given
 * the code or the remedy. What passes on another error's code is not counted.
 *
 * @throws Error for a site whose code cannot be told: it should be a literal
 */
export function errorSites(directory: string): readonly ErrorSite[] {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).sort()
    .map((file) => ts.createSourceFile(file, readFileSync(path.join(directory, file), "utf8"), ts.ScriptTarget.Latest, true));
  return files.flatMap((file) => descendants(file).filter((node) => constructsError(node)).flatMap((node) => sitesOf(node, files)));
}

function constructsError(node: ts.Node): node is ts.NewExpression | ts.CallExpression {
  if (ts.isNewExpression(node)) return node.expression.getText() === ERROR;
  return ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.SuperKeyword && extendsError(enclosing(node, ts.isClassDeclaration));
}

function extendsError(declaration: ts.ClassDeclaration | undefined): boolean {
  return declaration?.heritageClauses?.some(({ types }) => types.some(({ expression }) => expression.getText() === ERROR)) ?? false;
}

function sitesOf(call: ts.NewExpression | ts.CallExpression, files: readonly ts.SourceFile[]): readonly ErrorSite[] {
  return expanded(call, files).flatMap(({ bindings }): readonly ErrorSite[] => {
    const [code, message, details] = call.arguments ?? [];
    const codes = codesOf(code!, bindings);
    if (codes === "passed on") return [];
    if (codes === undefined) throw new Error(`${call.getSourceFile().fileName}: the code of this error cannot be told: ${call.getText().slice(0, 200)}`);
    const { remedy, kind } = detailsOf(details, bindings);
    return codes.map((each) => ({ code: each, message: shapeOf(message!, bindings), remedy, kind }));
  });
}

/** The call with what its surrounding function is given, once for each caller, where code, message or remedy come from there. */
function expanded(call: ts.NewExpression | ts.CallExpression, files: readonly ts.SourceFile[]): readonly Construction[] {
  const none: Construction = { call, bindings: new Map() };
  const wrapper = enclosing(call, isFunction);
  if (wrapper === undefined) return [none];
  const names = new Set(wrapper.parameters.map(({ name }) => name.getText()));
  const uses = new Set((call.arguments ?? []).flatMap(descendants).filter(ts.isIdentifier).map(({ text }) => text));
  if (!["code", "message", "remedy", "expected"].some((name) => names.has(name) && uses.has(name))) return [none];
  const callers = ts.isConstructorDeclaration(wrapper)
    ? files.flatMap(descendants).filter((node) => ts.isNewExpression(node) && node.expression.getText() === enclosing(wrapper, ts.isClassDeclaration)?.name?.text)
    : descendants(call.getSourceFile()).filter((node) => ts.isCallExpression(node) && node.expression.getText().replace(/^this\./u, "") === nameOf(wrapper));
  return callers.length === 0 ? [none] : callers.map((caller) => ({ call, bindings: boundTo(wrapper, (caller as ts.CallExpression | ts.NewExpression).arguments ?? []) }));
}

function boundTo(wrapper: ts.SignatureDeclaration, given: readonly ts.Expression[]): Bindings {
  return new Map(wrapper.parameters.map(({ name, initializer }, index) => [name.getText(), given[index] ?? initializer]));
}

function detailsOf(details: ts.Expression | undefined, bindings: Bindings): { readonly remedy: string | undefined; readonly kind: string } {
  if (details === undefined) return { remedy: undefined, kind: "operator" };
  if (ts.isCallExpression(details)) {
    // A helper of the same file that makes the details.
    const helper = descendants(details.getSourceFile()).find((node): node is ts.ArrowFunction => ts.isArrowFunction(node) && nameOf(node) === details.expression.getText());
    if (helper !== undefined && ts.isParenthesizedExpression(helper.body)) return detailsOf(helper.body.expression, boundTo(helper, details.arguments));
  }
  const values = new Map<string, ts.Expression>();
  for (const node of descendants(details)) {
    if (ts.isPropertyAssignment(node) && ["remedy", "kind"].includes(node.name.getText())) values.set(node.name.getText(), node.initializer);
    if (ts.isShorthandPropertyAssignment(node)) values.set(node.name.text, node.name);
  }
  const [remedy, kind] = [values.get("remedy"), values.get("kind")];
  return { remedy: remedy === undefined ? undefined : remedyShape(remedy, bindings), kind: kind === undefined ? "operator" : shapeOf(kind, bindings) };
}

/** Another error's remedy, or one that is given, is only known where it happens: then what is said without it. */
function remedyShape(remedy: ts.Expression, bindings: Bindings): string {
  if (ts.isBinaryExpression(remedy) && remedy.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) return remedyShape(remedy.right, bindings);
  const given = ts.isIdentifier(remedy) && !bindings.has(remedy.text) ? declarationOf(remedy) : undefined;
  return shapeOf(given !== undefined && ts.isBindingElement(given) && given.initializer !== undefined ? given.initializer : remedy, bindings);
}

function nameOf(node: ts.Node): string | undefined {
  if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) return node.name?.getText();
  return ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : undefined;
}

function isFunction(node: ts.Node): node is ts.FunctionDeclaration | ts.MethodDeclaration | ts.ArrowFunction | ts.ConstructorDeclaration {
  return ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isConstructorDeclaration(node) || (ts.isArrowFunction(node) && ts.isVariableDeclaration(node.parent));
}

function enclosing<T extends ts.Node>(node: ts.Node, is: (node: ts.Node) => node is T): T | undefined {
  for (let at = node.parent as ts.Node | undefined; at !== undefined; at = at.parent as ts.Node | undefined) if (is(at)) return at;
  return undefined;
}

function descendants(node: ts.Node): readonly ts.Node[] {
  const found: ts.Node[] = [];
  const visit = (each: ts.Node): void => {
    found.push(each);
    ts.forEachChild(each, visit);
  };
  visit(node);
  return found;
}
