import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AdminCommand } from "../../src/admin/admin-command.js";
import { SHOW_SUBJECTS } from "../../src/admin/admin-command.js";
import { COMMAND_FORMS } from "../../src/admin/command-forms.js";
import { CommandSyntaxError } from "../../src/admin/command-syntax-error.js";
import { COMMAND_WORDS, parseCommand } from "../../src/admin/parse-command.js";
import { commandsIn } from "../../src/admin/tokens.js";

function parse(text: string): AdminCommand {
  const commands = commandsIn(text);
  expect(commands).toHaveLength(1);
  return parseCommand(commands[0]!);
}

function errorOf(text: string): CommandSyntaxError {
  try {
    for (const command of commandsIn(text)) parseCommand(command);
  } catch (error) {
    return error as CommandSyntaxError;
  }
  throw new Error(`"${text}" was taken for a command`);
}

const move = { source: "prod", destination: "prod_2x", publication: "pgdog" };

const EXAMPLES: readonly (readonly [string, AdminCommand])[] = [
  ["RESHARD prod prod_2x pgdog", { kind: "reshard", ...move, slot: undefined }],
  ["RESHARD prod prod_2x pgdog slot", { kind: "reshard", ...move, slot: "slot" }],
  ["COPY_DATA prod prod_2x pgdog", { kind: "copy_data", ...move, slot: undefined }],
  ["REPLICATE prod prod_2x pgdog my_slot", { kind: "replicate", ...move, slot: "my_slot" }],
  ["SCHEMA_SYNC PRE prod prod_2x pgdog", { kind: "schema_sync", phase: "pre", ...move }],
  ["SCHEMA_SYNC POST prod prod_2x pgdog", { kind: "schema_sync", phase: "post", ...move }],
  ["SCHEMA_SYNC CUTOVER prod prod_2x pgdog", { kind: "schema_sync", phase: "cutover", ...move }],
  ["SCHEMA_SYNC POST_CUTOVER prod prod_2x pgdog", { kind: "schema_sync", phase: "post-cutover", ...move }],
  ["VERIFY prod prod_2x pgdog", { kind: "verify", ...move }],
  ["CUTOVER", { kind: "cutover", task: undefined }],
  ["CUTOVER 12", { kind: "cutover", task: 12 }],
  ["STOP_TASK 12", { kind: "stop_task", task: 12, dropProgress: false }],
  ["STOP_TASK 12 DROP PROGRESS", { kind: "stop_task", task: 12, dropProgress: true }],
  ["MAINTENANCE ON", { kind: "maintenance", on: true, database: undefined }],
  ["MAINTENANCE OFF prod", { kind: "maintenance", on: false, database: "prod" }],
  ["PAUSE", { kind: "pause", database: undefined }],
  ["PAUSE prod", { kind: "pause", database: "prod" }],
  ["RESUME prod", { kind: "resume", database: "prod" }],
  ["RELOAD", { kind: "reload" }],
  ...SHOW_SUBJECTS.map((subject) => [`SHOW ${subject.toUpperCase()}`, { kind: "show", subject }] as const),
];

describe("the commands of the admin database", () => {
  it.each(EXAMPLES)("%s", (text, command) => {
    expect(parse(text)).toEqual(command);
    expect(parse(`${text};`)).toEqual(command);
  });

  it("are all in SHOW HELP, and nothing else is", () => {
    expect([...new Set(COMMAND_FORMS.map(({ command }) => command.split(" ")[0]))].sort()).toEqual([...COMMAND_WORDS].sort());
    expect(COMMAND_FORMS.filter(({ command }) => command.startsWith("SHOW")).map(({ command }) => command.slice(5).toLowerCase()).sort()).toEqual([...SHOW_SUBJECTS].sort());
  });

  /** A word that is a keyword where it stands, and a name as it may be written. */
  type Part = { readonly keyword: string } | { readonly name: string };
  const name = fc.oneof(
    fc.constantFrom("prod", "Prod_2x", "prod-2x", "db.1", "reshard", "SHOW", "on", "$dollar", "größe"),
    fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }).filter((text) => !text.includes("\0")),
  );
  const names = fc.tuple(name, name, name);
  const keywords = (text: string): Part[] => text.split(" ").map((keyword) => ({ keyword }));
  const example = (parts: Part[], expected: AdminCommand): { parts: Part[]; expected: AdminCommand } => ({ parts, expected });
  const command: fc.Arbitrary<{ parts: Part[]; expected: AdminCommand }> = fc.oneof(
    fc.tuple(fc.constantFrom("reshard" as const, "copy_data" as const, "replicate" as const), names, fc.option(name, { nil: undefined })).map(([kind, [source, destination, publication], slot]) => example([...keywords(kind), ...[source, destination, publication, ...(slot === undefined ? [] : [slot])].map((text) => ({ name: text }))], { kind, source, destination, publication, slot })),
    fc.tuple(fc.constantFrom("pre" as const, "post" as const, "cutover" as const, "post-cutover" as const), names).map(([phase, [source, destination, publication]]) => example([...keywords(`schema_sync ${phase.replace("-", "_")}`), ...[source, destination, publication].map((text) => ({ name: text }))], { kind: "schema_sync", phase, source, destination, publication })),
    fc.tuple(fc.nat(), fc.boolean()).map(([task, dropProgress]) => example([...keywords("stop_task"), { name: String(task) }, ...(dropProgress ? keywords("drop progress") : [])], { kind: "stop_task", task, dropProgress })),
    fc.tuple(fc.boolean(), fc.option(name, { nil: undefined })).map(([on, database]) => example([...keywords(`maintenance ${on ? "on" : "off"}`), ...(database === undefined ? [] : [{ name: database }])], { kind: "maintenance", on, database })),
    fc.constantFrom(...SHOW_SUBJECTS).map((subject) => example(keywords(`show ${subject}`), { kind: "show", subject })),
  );
  const space = fc.stringMatching(/^[ \t\r\n]{1,4}$/);
  const gap = fc.oneof(space, fc.constantFrom(" /* a comment ; /* nested */ */ ", " -- to the end of the line\n", "\n--\r\n", "/**/ ", "\f\v\u00a0"));
  const PLAIN = /^[\p{L}\p{N}_][\p{L}\p{N}_.]*$/u;

  it("mean the same in any case, with any space, comments and quotes", () => {
    fc.assert(fc.property(command, fc.infiniteStream(gap), fc.infiniteStream(fc.nat(2)), fc.boolean(), ({ parts, expected }, gaps, choices, semicolon) => {
      const choose = (): number => choices.next().value as number;
      const words = parts.map((part) => {
        if ("keyword" in part) return part.keyword.replaceAll(/./g, (letter) => (choose() === 0 ? letter.toUpperCase() : letter));
        const quote = ['"', "'"][choose()];
        if (quote === undefined && PLAIN.test(part.name)) return part.name;
        const mark = quote ?? '"';
        return mark + part.name.replaceAll(mark, mark + mark) + mark;
      });
      const space = (): string => gaps.next().value as string;
      const text = space() + words.map((word) => word + space()).join("") + (semicolon ? `;${space()}` : "");
      expect(parse(text)).toEqual(expected);
    }));
  });

  it("come several at a time, each with its place", () => {
    expect(commandsIn(";; SHOW TASKS; ;SHOW 'a;b';\n-- ; done").map((tokens) => tokens.map(({ text }) => text))).toEqual([["SHOW", "TASKS"], ["SHOW", "a;b"]]);
    expect(errorOf("SHOW TASKS; SHOW TASK").position).toBe(18);
    // Characters, not UTF-16 units.
    expect(errorOf("PAUSE '🐘🐘'; SHOW x").position).toBe(18);
  });

  it("take parameters where names and numbers are", () => {
    const values = ["Prod", "to", "all_tables"];
    expect(parseCommand(commandsIn("RESHARD $1 $2 $3")[0]!, (number) => values[number - 1]!)).toEqual({ kind: "reshard", source: "Prod", destination: "to", publication: "all_tables", slot: undefined });
    expect(parseCommand(commandsIn("STOP_TASK $1")[0]!, () => "7")).toEqual({ kind: "stop_task", task: 7, dropProgress: false });
    expect(errorOf("STOP_TASK $1").message).toBe("there is no parameter $1");
    expect(() => parseCommand(commandsIn("STOP_TASK $1")[0]!, () => "seven")).toThrow("syntax error");
  });
});

describe("a wrong command", () => {
  it.each([
    ["RESHRD a b c", 'syntax error at or near "RESHRD"', 1, "Did you mean RESHARD?"],
    ["  show taks", 'syntax error at or near "taks"', 8, "Did you mean SHOW TASKS? SHOW HELP lists what can be shown."],
    ["SHOW TABLE COPIES", 'syntax error at or near "TABLE"', 6, "Did you mean SHOW TABLE_COPIES? SHOW HELP lists what can be shown."],
    ["COPY DATA a b c", 'syntax error at or near "COPY"', 1, "Did you mean COPY_DATA?"],
    ["SCHEMA_SYNC PREE a b c", 'syntax error at or near "PREE"', 13, "Did you mean SCHEMA_SYNC PRE? The form is: SCHEMA_SYNC PRE|POST|CUTOVER|POST_CUTOVER source destination publication"],
    ["RESHARD a b", "syntax error at end of input", undefined, "The form is: RESHARD source destination publication [slot]"],
    ["RESHARD a b c d e", 'syntax error at or near "e"', 17, "The form is: RESHARD source destination publication [slot]"],
    ["RESHARD a, b, c", 'syntax error at or near ","', 10, "The form is: RESHARD source destination publication [slot]"],
    ["STOP_TASK x", 'syntax error at or near "x"', 11, "The form is: STOP_TASK task [DROP PROGRESS]"],
    ["STOP_TASK 1 DROP", "syntax error at end of input", undefined, "The form is: STOP_TASK task [DROP PROGRESS]"],
    ["MAINTENANCE 'ON'", 'syntax error at or near "ON"', 13, "The form is: MAINTENANCE ON|OFF [database]"],
    ["PAUSE \"open", "unterminated quoted identifier", 7, "SHOW HELP lists the commands."],
    ["PAUSE 'open''", "unterminated quoted string", 7, "SHOW HELP lists the commands."],
    ["PAUSE /* /* */", "unterminated /* comment", 7, "SHOW HELP lists the commands."],
    ["DROP TABLE users", 'syntax error at or near "DROP"', 1, "SHOW HELP lists the commands."],
    ["constructor", 'syntax error at or near "constructor"', 1, "SHOW HELP lists the commands."],
    ['"SHOW" TASKS', 'syntax error at or near "SHOW"', 1, "Did you mean SHOW?"],
  ])("%s", (text, message, position, remedy) => {
    expect(errorOf(text)).toMatchObject({ code: "SYNTAX_ERROR", sqlState: "42601", message, position, remedy });
  });

  it("is an error and nothing else, whatever it is", () => {
    const piece = fc.constantFrom('"', "'", "/*", "*/", "--", "\n", " ", ";", "$1", "$", "-", "🐘", "\0", "\ud800", ",", "SHOW", "show", "TASKS", "STOP_TASK", "7", "Reshard", "a", "é");
    fc.assert(fc.property(fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join("")), (text) => {
      try {
        for (const command of commandsIn(text)) parseCommand(command);
      } catch (error) {
        if (!(error instanceof CommandSyntaxError)) throw error;
      }
    }));
  });
});
