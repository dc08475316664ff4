import type { CliEvent } from "./cli-event.js";

/** Shows events as they come. */
export interface View {
  event(event: CliEvent): void;
  /** A line for the person in front of it. */
  say(line: string): void;
  /** Something else is about to be written: what is on the screen stays there. */
  interrupted?(): void;
  /** Nothing of it moves any more; called at the end, which `more` text follows or not. */
  close(more: boolean): void;
}
