import { explainError } from "../pipelines/explain-error.js";
import { EXIT, exitCodeOf, failureFields, failureText } from "./failure.js";
import { type SignalSource, stopOnSignals } from "./stop-signals.js";
import type { Terminal } from "./terminal.js";
import type { CliEvent } from "./view/cli-event.js";
import { jsonLine } from "./view/json-line.js";
import { viewFor } from "./view/view-for.js";

/** What a command works with. */
export interface Tools {
  readonly report: (event: CliEvent) => void;
  /** Aborted at the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
}

/** How a command ended, short of an error. */
export interface Outcome {
  /** Exit code 0, else 1. */
  readonly ok: boolean;
  /** For people, on standard output. */
  readonly text: string;
  /** Fields of the line that ends `--json`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Does a command's work: shows its progress, prints how it ended, and answers with the exit code. */
export async function perform(terminal: Terminal, command: string, work: (tools: Tools) => Promise<Outcome>, signals: SignalSource = process): Promise<number> {
  const started = Date.now();
  const view = viewFor(terminal);
  const stop = stopOnSignals(signals, () => { view.say("finishing what is on the way … (once more to stop at once)"); });
  try {
    const { ok, text, fields } = await work({ report: (event) => { view.event(event); }, signal: stop.signal, terminal });
    view.close(text !== "" && !terminal.json);
    terminal.out(terminal.json ? jsonLine({ type: "result", command, ok, milliseconds: Date.now() - started, ...fields }) : text);
    return ok ? EXIT.done : EXIT.failed;
  } catch (cause) {
    view.close(true);
    const error = explainError(cause);
    if (terminal.json) terminal.out(jsonLine(failureFields(error)));
    if (!terminal.json || terminal.live) terminal.err(failureText(error));
    return exitCodeOf(error);
  } finally {
    stop.dispose();
  }
}
