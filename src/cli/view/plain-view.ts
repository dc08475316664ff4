import { printable } from "./fit.js";
import { paintWith } from "./paint.js";
import { Progress } from "./progress.js";
import { Throttle } from "./throttle.js";
import type { Terminal } from "../terminal.js";
import type { CliEvent } from "./cli-event.js";
import type { View } from "./view.js";

/** At most a line this often about a table, or a stage. */
const INTERVAL = 5000;
/** Streaming goes on for days. */
const STREAM_INTERVAL = 30_000;

/** Lines for a log. */
export function plainView(terminal: Pick<Terminal, "err" | "colors">, clock: () => number = Date.now): View {
  const progress = new Progress(paintWith(terminal.colors.err));
  const throttle = new Throttle(INTERVAL);
  const streamThrottle = new Throttle(STREAM_INTERVAL);

  /** What goes on for longer than a moment is told of now and then. */
  const ongoing = (event: CliEvent, now: number): string | undefined => {
    switch (event.type) {
      case "table-progress": {
        throttle.start(event.table, now);
        const described = throttle.due(event.table, now) ? progress.copy.describe(event, now) : undefined;
        return described === undefined ? undefined : `  ${printable(event.table)}: ${described}`;
      }
      case "index-progress": {
        const key = `${event.phase} ${event.shard} ${event.index}`;
        throttle.start(key, now);
        const described = throttle.due(key, now) ? progress.describeStatement(event, now) : undefined;
        return described === undefined ? undefined : `  ${described}`;
      }
      case "schema-statement":
      case "table-verified":
        throttle.start(event.type, now);
        return throttle.due(event.type, now) ? progress.describe(now) : undefined;
      case "stream-progress":
        // The first line comes as soon as that of anything else.
        streamThrottle.start(event.type, now - STREAM_INTERVAL + INTERVAL);
        return streamThrottle.due(event.type, now) ? progress.describe(now) : undefined;
      default:
        return undefined;
    }
  };

  let written = false;
  const write = (line: string): void => {
    written = true;
    terminal.err(`${line}\n`);
  };
  return {
    event(event) {
      const now = clock();
      for (const line of progress.apply(event, now)) write(line);
      const line = ongoing(event, now);
      if (line !== undefined) write(line);
    },
    say: write,
    close(more) {
      // Sets off what comes next.
      if (written && more) write("");
    },
  };
}
