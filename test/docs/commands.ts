import { parseCommand } from "../../src/admin/parse-command.js";
import { commandsIn } from "../../src/admin/tokens.js";
import { commandLine } from "../../src/cli/program.js";
import { recordedTerminal } from "../cli/terminal.js";
import type { Block } from "./pages.js";

/** Words of the command lines of a block: one a line, or several between &&; without their comments. */
export function commandsOf({ text }: Block): readonly (readonly string[])[] {
  return text.replaceAll("\\\n", " ").split("\n").map((line) => line.replace(/(?:^|\s)#.*$/u, "").trim()).filter((line) => line !== "")
    .flatMap((line) => line.split("&&")).map((command) => [...command.matchAll(/"(?<quoted>[^"]*)"|'(?<single>[^']*)'|(?<plain>\S+)/gu)].map(({ groups }) => groups!["quoted"] ?? groups!["single"] ?? groups!["plain"]!));
}

/** The words of pg-reshard's own command line, undefined of another's. */
export function ownWords(words: readonly string[]): readonly string[] | undefined {
  const [first, ...rest] = words[0] === "npx" ? words.slice(1) : words;
  return first === "pg-reshard" ? rest : undefined;
}

/** Does the command line parse? What it would do is not done. Commands for the admin database are parsed too. */
export async function parses(words: readonly string[]): Promise<string | undefined> {
  const terminal = recordedTerminal();
  const program = commandLine(terminal, () => Promise.resolve());
  try {
    await program.parseAsync([...words], { from: "user" });
    if (words[0] === "admin") for (const command of words.slice(1).filter((word) => !word.startsWith("-")).flatMap(commandsIn)) parseCommand(command);
    return undefined;
  } catch (error) {
    return terminal.written.err + String(error);
  }
}
