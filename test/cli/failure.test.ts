import { describe, expect, it } from "vitest";
import { exitCodeOf, failureFields, failureText } from "../../src/cli/failure.js";
import { ConfigurationError } from "../../src/config/configuration-error.js";
import { defect, ReshardError } from "../../src/errors.js";

const configuration = new ConfigurationError([
  { file: "pgdog.toml", line: 3, column: 7, code: "WRONG_TYPE", message: '"port" is a string', expected: "a number" },
  { file: "users.toml", line: 0, column: 0, code: "UNREADABLE_FILE", message: "cannot read it" },
]);

describe("failureText", () => {
  it("says what, where and what to do", () => {
    const error = new ReshardError("TYPE_MISMATCH", "A value does not fit.", { remedy: "Alter the column.", place: { table: "orders", lsn: "0/16B3748" } });
    expect(failureText(error)).toBe("error TYPE_MISMATCH: A value does not fit.\n  where: table orders, LSN 0/16B3748\n  remedy: Alter the column.\n");
  });

  it("does not say twice where", () => {
    expect(failureText(new ReshardError("X", "h:1/d is down.", { place: { server: "h:1/d" } }))).toBe("error X: h:1/d is down.\n");
  });

  it("lists every mistake of the configuration", () => {
    expect(failureText(configuration)).toBe(
      'error CONFIGURATION: 2 mistakes in the configuration:\n  pgdog.toml:3:7: "port" is a string, expected a number [WRONG_TYPE]\n  users.toml: cannot read it [UNREADABLE_FILE]\n' +
        "  remedy: Correct what is listed and run the same command again. Nothing has been connected to.\n",
    );
  });

  it("shows the stacks of defects, and of them alone", () => {
    expect(failureText(defect("impossible"))).toMatch(/^error DEFECT: impossible\n {2}remedy: .*report.*\nReshardError: impossible\n {4}at /);
    expect(failureText(new ReshardError("X", "x", { cause: new Error("inner") }))).toBe("error X: x\n");
    const unforeseen = failureText(new TypeError("x is undefined", { cause: new Error("inner") }));
    expect(unforeseen).toMatch(/^error DEFECT: x is undefined\n {2}remedy: .*\nTypeError: x is undefined\n/);
    expect(unforeseen).toContain("caused by Error: inner");
    expect(failureText("thrown")).toContain("error DEFECT: thrown\n");
  });

  it("lets no escape sequence through", () => {
    expect(failureText(new ReshardError("X", "table \u001b[2J"))).toBe("error X: table �[2J\n");
  });

  it("shows nothing that an error merely carries", () => {
    const carrying = Object.assign(new Error("refused"), { client: { password: "s3cret" } });
    expect(failureText(carrying) + JSON.stringify(failureFields(carrying))).not.toContain("s3cret");
  });
});

describe("failureFields", () => {
  it("has code, message, remedy and place", () => {
    expect(failureFields(new ReshardError("X", "x", { remedy: "r", place: { file: "a.toml", line: 1, column: 2 } }))).toEqual({
      type: "error", code: "X", message: "x", remedy: "r", place: { file: "a.toml", line: 1, column: 2 },
    });
    expect(failureFields(configuration)).toMatchObject({ code: "CONFIGURATION", problems: [{ file: "pgdog.toml", line: 3 }, { file: "users.toml" }] });
    expect(failureFields(new Error("e"))).toMatchObject({ code: "DEFECT", message: "e", stack: expect.stringContaining("Error: e") as string });
  });
});

describe("exitCodeOf", () => {
  it("is 78 for the configuration, else 1", () => {
    expect([configuration, defect("x"), new ReshardError("X", "x"), "text"].map(exitCodeOf)).toEqual([78, 1, 1, 1]);
  });
});
