import type { Terminal } from "../terminal.js";
import { jsonLine } from "./json-line.js";
import { Throttle } from "./throttle.js";
import type { View } from "./view.js";

const TABLE_INTERVAL = 1000;

/** Every event a line on standard output; of a table's progress, one a second. */
export function jsonView(terminal: Pick<Terminal, "out">, clock: () => number = Date.now): View {
  const tables = new Throttle(TABLE_INTERVAL);
  return {
    event(event) {
      const now = clock();
      if (event.type === "table-progress" && !tables.due(event.table, now)) return;
      const { type, ...fields } = event;
      terminal.out(jsonLine({ type, time: new Date(now).toISOString(), ...fields }));
    },
    say: () => undefined,
    close: () => undefined,
  };
}
