import type { Terminal } from "../terminal.js";
import { jsonView } from "./json-view.js";
import { liveView } from "./live-view.js";
import { plainView } from "./plain-view.js";
import type { View } from "./view.js";

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
