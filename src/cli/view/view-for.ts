import type { Terminal } from "../terminal.js";
import { jsonView } from "./json-view.js";
import { liveView } from "./live-view.js";
import { neverFailing } from "./never-failing.js";
import { plainView } from "./plain-view.js";
import type { View } from "./view.js";

/**
 * Bars on a terminal, plain lines elsewhere; with `--json`, events on standard output, and bars if there is a terminal
 * beside it. It never fails: what cannot be shown is told of once.
 */
export function viewFor(terminal: Terminal): View {
  const attempt = neverFailing((line) => {
    for (const view of views) view.interrupted?.();
    terminal.err(line);
  });
  const views: readonly View[] = [...(terminal.json ? [jsonView(terminal)] : []), ...(terminal.live ? [liveView(terminal, Date.now, attempt)] : terminal.json ? [] : [plainView(terminal)])];
  let closed = false;
  return {
    event(event) {
      if (!closed) for (const view of views) attempt(() => { view.event(event); });
    },
    say(line) {
      if (!closed) for (const view of views) attempt(() => { view.say(line); });
    },
    close(more) {
      closed = true;
      for (const view of views) attempt(() => { view.close(more); });
    },
  };
}
