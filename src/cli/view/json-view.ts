import type { Terminal } from "../terminal.js";
import { jsonLine } from "./json-line.js";
import { Throttle } from "./throttle.js";
import type { View } from "./view.js";

const INTERVAL = 1000;

/** Every event a line on standard output; of a table's or an index's progress, one a second. Of planned statements, how many. */
export function jsonView(terminal: Pick<Terminal, "out">, clock: () => number = Date.now): View {
  const tables = new Throttle(INTERVAL);
  const builds = new Throttle(INTERVAL);
  return {
    event(event) {
      const now = clock();
      if (event.type === "table-progress" && !tables.due(event.table, now)) return;
      if (event.type === "index-progress" && !builds.due(`${event.phase} ${event.shard} ${event.index}`, now)) return;
      const { type, ...fields } = event.type === "schema-planned" ? { ...event, statements: event.statements.length } : event;
      terminal.out(jsonLine({ type, time: new Date(now).toISOString(), ...fields }));
    },
    say: () => undefined,
    close: () => undefined,
  };
}
