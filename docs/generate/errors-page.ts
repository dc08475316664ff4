import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "@typescript/typescript6";
import { type ErrorSite, errorSites } from "./error-sites.js";
import { GENERATED } from "./generated.js";

/** docs/errors.md from the source in a directory: each code with what is said and what to do. */
export function errorsPage(source: string): string {
  const sites = errorSites(source);
  const codes = [...new Set(sites.map(({ code }) => code))].sort();
  const sections = codes.map((code) => section(code, sites.filter((site) => site.code === code)));
  return `${GENERATED}
# Errors

Every failure has a code that stays, says what happened and where, and what to do next; \`--json\` gives the same as
fields. \`{name}\` stands for what is put in. *Tried again* means that pg-reshard does so by itself before it tells you.
Whatever the code: nothing is lost, and the same command goes on from what is done, unless it says otherwise.

Mistakes in a configuration have [codes of their own](#mistakes-in-a-configuration).

${sections.join("\n\n")}

## Mistakes in a configuration

They come together as one \`CONFIGURATION\`, each with its place in the file, what was expected and its own code;
\`pg-reshard check FILE\` lists them all.

| Code | What is wrong |
|---|---|
${problemCodes(source).map(({ code, meaning }) => `| \`${code}\` | ${meaning} |`).join("\n")}
`;
}

/** The codes of mistakes in a configuration with what their comments say. */
export function problemCodes(source: string): readonly { readonly code: string; readonly meaning: string }[] {
  const text = readFileSync(path.join(source, "config/configuration-error.ts"), "utf8");
  const file = ts.createSourceFile("configuration-error.ts", text, ts.ScriptTarget.Latest, true);
  const union = file.statements.find((statement): statement is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(statement) && statement.name.text === "ProblemCode");
  return [...union!.getText().matchAll(/(?:\/\*\* (?<meaning>[^]*?) \*\/\s*)?\| "(?<code>[A-Z_]+)"/gu)].map(({ groups }) => {
    if (groups!["meaning"] === undefined) throw new Error(`ProblemCode: a comment before "${groups!["code"]!}" should say what it means`);
    return { code: groups!["code"]!, meaning: groups!["meaning"] };
  });
}

function section(code: string, sites: readonly ErrorSite[]): string {
  const remedies = [...new Set(sites.map(remedyOf))];
  const said = remedies.map((remedy) => {
    const messages = [...new Set(sites.filter((site) => remedyOf(site) === remedy).map(messageOf))];
    return [messages.map(quote).join("<br>\n"), ...(remedy === "" ? [] : [remedy])].join("\n\n");
  });
  return `## ${code}\n\n${said.join("\n\n")}`;
}

function messageOf({ message }: ErrorSite): string {
  return message.replaceAll(/\s+/gu, " ").replace(/:? ?\{…\}\.?$/u, " …").trim();
}

function remedyOf({ remedy, kind }: ErrorSite): string {
  const again = kind.includes("retry") ? "*Tried again.* " : "";
  // Only known where it happens.
  if (remedy === undefined || /^\{\w+\}$/u.test(remedy)) return again.trim();
  return again + remedy.replaceAll(/\s+/gu, " ").replaceAll(" Or: ", " *Or:* ");
}

function quote(message: string): string {
  const fence = message.includes("`") ? "``" : "`";
  return fence + message + fence;
}
