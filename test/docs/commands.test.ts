import { expect, test } from "vitest";
import { commandLine } from "../../src/cli/program.js";
import { recordedTerminal } from "../cli/terminal.js";
import { pages } from "./pages.js";

test("the README's table has every command, and no other", () => {
  const readme = pages.find(({ file }) => file === "README.md")!;
  const table = readme.text.slice(readme.text.indexOf("## Commands"), readme.text.indexOf("## Numbers"));
  const named = [...table.matchAll(/^\| `(?<command>[a-z-]+)/gmu)].map(({ groups }) => groups!["command"]!);
  const commands = commandLine(recordedTerminal(), () => Promise.resolve()).commands.map((command) => command.name());
  expect([...named].sort()).toEqual([...commands].sort());
});
