import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "@typescript/typescript6";
import { GENERATED } from "./generated.js";
import { keysTable, type Schema } from "./pipeline-file-page.js";

/**
 * docs/operators.md from the comments before the stock operators.
 *
 * @param folder src/operators/stock
 * @param options the operators' names, in the page's order, with what they take
 */
export function operatorsPage(folder: string, options: ReadonlyMap<string, Schema>): string {
  const comments = commentsOf(folder);
  const sections = [...options].map(([name, schema]) => {
    const comment = comments.get(name);
    if (comment === undefined) throw new Error(`${folder}: no comment before ${name}Operator or ${name}`);
    return `## ${name}\n\n${body(comment)}\n\n${keysTable(schema)}\n\n${example(name, comment)}`;
  });
  return `${GENERATED}
# Operators

What rows pass on their way, named by \`operators = [...]\` of a \`copy\`, \`replicate\` or \`flow\` stage. Copied and streamed rows
pass the same ones, so that both agree: an update that leaves a filter deletes on the shards, one that enters it inserts the
whole row; \`verify\` passes the source's rows through them too. \`tables = ["users", "sales.*"]\` says which tables an operator
is for. In the pictures a row stands in brackets.

${sections.join("\n\n")}
`;
}

interface Comment {
  readonly text: string;
  readonly example: string;
}

/** By the operator's name. */
function commentsOf(folder: string): ReadonlyMap<string, Comment> {
  const found = new Map<string, Comment>();
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".ts"))) {
    const file = ts.createSourceFile(name, readFileSync(path.join(folder, name), "utf8"), ts.ScriptTarget.Latest, true);
    for (const statement of file.statements) {
      const [doc] = ts.getJSDocCommentsAndTags(statement);
      const declared = ts.isVariableStatement(statement) ? statement.declarationList.declarations[0]!.name.getText() : ts.isFunctionDeclaration(statement) ? statement.name!.text : undefined;
      if (declared === undefined || doc === undefined || !ts.isJSDoc(doc)) continue;
      const tag = doc.tags?.find(({ tagName }) => tagName.text === "example");
      if (tag !== undefined) found.set(declared.replace(/Operator$/u, ""), { text: linesOf(ts.getTextOfJSDocComment(doc.comment) ?? ""), example: linesOf(ts.getTextOfJSDocComment(tag.comment) ?? "") });
    }
  }
  return found;
}

/** Without the stars of a comment, where they were kept. */
function linesOf(text: string): string {
  return text.split("\n").map((line) => line.replace(/^\s*\* ?/u, "")).join("\n").trim();
}

function body({ text }: Comment): string {
  return text.replace(/^```$/mu, "```text");
}

/** A whole one: with the stage that names the operator. */
function example(name: string, { example: text }: Comment): string {
  const toml = /```toml\n(?<toml>[^]*?)\n```/u.exec(text)?.groups!["toml"];
  if (toml === undefined) throw new Error(`the comment of ${name} has no example in TOML`);
  return `\`\`\`toml\n${toml}\n\`\`\``;
}
