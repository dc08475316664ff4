import { describe, expect, it } from "vitest";
import { textFrame } from "../../../src/cli/view/text-frame.js";

describe("a frame", () => {
  it.each([
    ["prot = 5432", 1, ["   1 | prot = 5432", "     | ^^^^"]],
    ['port = "5432"', 8, ['   1 | port = "5432"', "     |        ^^^^^^"]],
    ["[[databases]]", 1, ["   1 | [[databases]]", "     | ^^^^^^^^^^^^^"]],
    ["a = [1, 22]", 9, ["   1 | a = [1, 22]", "     |         ^^"]],
    ["\ta = ,", 6, ["   1 |  a = ,", "     |      ^"]],
    ['名 = "x"', 5, ['   1 | 名 = "x"', "     |      ^^^"]],
    ["", 1, ["   1 | ", "     | ^"]],
  ])("marks the place in %s", (text, column, lines) => {
    expect(textFrame(text, 1, column)).toEqual(lines);
  });

  it("shows what is far right", () => {
    const [line, mark] = textFrame(`a = "${"x".repeat(200)}", b`, 1, 209);
    expect(line).toMatch(/^ {3}1 \| …x+", b$/u);
    expect(line!.indexOf("b")).toBe(mark!.indexOf("^"));
  });

  it("is empty where the line is not there", () => {
    expect(textFrame("a = 1", 2, 1)).toEqual([]);
  });

  it.each([
    ["a password", 'password = "hunter2"', 1, 12],
    ["a misspelt one", 'pasword = "hunter2"', 1, 1],
    ["one without quotes", "password = hunter2", 1, 12],
    ["one in an inline table", 'users = [{ name = "a", password = "hunter2", x = 1 }]', 1, 46],
    ["one of several", 'passwords = ["hunter2", 5]', 1, 25],
    ["one below its key", 'passwords = [\n  "hunter2",\n  5,\n]', 2, 3],
    ["one in a text of several lines", 'password = """\nhunter2"""', 2, 1],
    ["one in a connection string", 'targets = { a = "host=b password=hunter2" }', 1, 1],
    ["one in an address", 'host = "postgres://u:hunter2@h/d"', 1, 8],
    ["a mask's key", 'key = "hunter2"', 1, 7],
    ["a mask's salt", 'salt = "hunter2"', 1, 8],
  ])("never shows %s", (_, text, line, column) => {
    const frame = textFrame(text, line, column);
    expect(frame.join("\n")).not.toContain("hunter2");
    if (line === 1) expect(frame).toHaveLength(2);
  });
});
