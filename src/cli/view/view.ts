import type { Terminal } from "../terminal.js";
import type { CliEvent } from "./cli-event.js";
import { jsonView } from "./json-view.js";
import { liveView } from "./live-view.js";
import { plainView } from "./plain-view.js";

/** Shows events as they come. */
export interface View {
  event(event: CliEvent): void;
  /** A line for the person in front of it. */
  say(line: string): void;
  /** Nothing of it moves any more; called at the end, which `more` text follows or not. */
  close(more: boolean): void;
}

/** Bars on a terminal, plain lines elsewhere; with `--json`, events on standard output, and bars if there is a terminal beside it. */
export function viewFor(terminal: Terminal): View {
  const views = [...(terminal.json ? [jsonView(terminal)] : []), ...(terminal.live ? [liveView(terminal)] : terminal.json ? [] : [plainView(terminal)])];
  let closed = false;
  return {
    event(event) {
      if (!closed) for (const view of views) view.event(event);
    },
    say(line) {
      if (!closed) for (const view of views) view.say(line);
    },
    close(more) {
      closed = true;
      for (const view of views) view.close(more);
    },
  };
}
