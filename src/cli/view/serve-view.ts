import type { ServeEvent } from "../../serve/serve-event.js";
import type { Terminal } from "../terminal.js";
import { jsonLine } from "./json-line.js";
import { plainView } from "./plain-view.js";
import { counted } from "../../words.js";
import type { View } from "./view.js";

/** What a gateway tells, as lines of a log: each task's as those of a run, with its number before them. */
export function serveView(terminal: Pick<Terminal, "out" | "err" | "colors" | "json">): (event: ServeEvent) => void {
  if (terminal.json) return (event) => { terminal.out(jsonLine(event)); };
  const tasks = new Map<number, View>();
  const ofTask = (id: number): View => {
    const known = tasks.get(id);
    if (known !== undefined) return known;
    const view = plainView({ colors: terminal.colors, err: (text) => { terminal.err(text.replaceAll(/^(?=.)/gmu, `[task ${id}] `)); } });
    tasks.set(id, view);
    return view;
  };
  return (event) => {
    switch (event.type) {
      case "task":
        ofTask(event.id).event(event.event);
        return;
      case "listening":
        terminal.err(`listening on ${event.host}:${event.port}\n`);
        for (const { name, shards } of event.databases) terminal.err(`  ${name} (${counted(shards, "shard")})\n`);
        terminal.err(`  ${event.admin}: the admin database\n`);
        return;
      case "client-refused":
        // Who hangs up while logging in is no news: health checks do.
        if (event.code !== "08006") terminal.err(`refused a client${event.address === undefined ? "" : ` from ${event.address}`}: ${event.message} (${event.code})\n`);
        return;
      case "note":
        terminal.err(`note: ${event.message}\n`);
    }
  };
}
