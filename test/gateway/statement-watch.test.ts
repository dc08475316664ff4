import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StatementWatch } from "../../src/gateway/statement-watch.js";
import { bindMessage, queryMessage } from "../../src/wire/frontend-messages.js";

function seen(...texts: readonly string[]): StatementWatch {
  const watch = new StatementWatch();
  for (const text of texts) watch.see(text, true);
  return watch;
}

describe("what statements may have set", () => {
  test.each([
    ["SET app.tenant = '5'", ["app.tenant"]],
    ["set session App.\"Tenant\" to 5", ["app.tenant"]],
    ["SET LOCAL a . b . c TO 1; SELECT 1; SET d.e='f'", ["a.b.c", "d.e"]],
    ["SELECT set_config('app.tenant', $1, false)", ["app.tenant"]],
    ["SELECT pg_catalog.SET_CONFIG ( 'my.a' , 'x', true), set_config('work_mem', '5MB', false)", ["my.a"]],
    ["SET work_mem = '5MB'", []],
    ["SELECT 'reset the app.tenant'", []],
    ["UPDATE t SET name = 'x' WHERE id = 5", []],
  ] as const)("%s", (text, names) => {
    const watch = seen(text);
    expect([...watch.settings].sort()).toEqual([...names]);
    expect(watch.unknownSettings).toBe(false);
  });

  test.each([
    ["SELECT set_config($1, $2, false)", true],
    ["SELECT set_config(name, value, false) FROM settings", true],
    ["SELECT set_config('app.' || x, 'y', false)", true],
    ["SELECT set_config($1, $2, true)", false],
    ["SELECT set_config('a.b', $1, false), set_config($2, $3, false)", true],
  ])("a name that is not a constant: %s", (text, unknown) => {
    expect(seen(text).unknownSettings).toBe(unknown);
  });

  test("is found wherever a long statement is cut", () => {
    const text = `SELECT 1; ${" ".repeat(300)}SET app.tenant = '5'; SELECT set_config('app.other', 'x', false); LISTEN news`;
    fc.assert(fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (offsets) => {
      const watch = new StatementWatch();
      const cuts = [0, ...offsets.sort((one, other) => one - other), text.length];
      for (const [index, end] of cuts.slice(1).entries()) watch.see(text.slice(cuts[index], end), end === text.length && index === cuts.length - 2);
      expect([...watch.settings]).toEqual(expect.arrayContaining(["app.tenant", "app.other"]));
      expect(watch.listens).toBe(true);
      expect(watch.unknownSettings).toBe(false);
    }));
  });
});

test("who listens, and who does not", () => {
  expect(seen("SELECT 1", "listen \"News\"").listens).toBe(true);
  expect(seen("SELECT listening FROM listeners").listens).toBe(false);
});

test("who takes results in binary", () => {
  const bind = (resultFormats: readonly number[]): StatementWatch => {
    const watch = seen("SELECT 1");
    const bytes = bindMessage({ portal: "", statement: "s", formats: [], values: [Buffer.from("1"), null], resultFormats });
    watch.seeBind({ type: bytes[0]!, bytes });
    return watch;
  };
  expect([bind([]), bind([0]), bind([0, 1]), bind([1, 0])].map((watch) => watch.binaryResults)).toEqual([false, false, true, true]);
  const long = seen();
  long.seeBind(undefined);
  expect(long.binaryResults).toBe(true);
  const broken = seen();
  broken.seeBind({ type: 0x42, bytes: queryMessage("") });
  expect(broken.binaryResults).toBe(false);
});
