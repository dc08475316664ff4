import type { Outcome, Tools } from "./perform.js";

/** Does a command's work; resolves when it has ended, however it ended. */
export type Execute = (command: string, work: (tools: Tools) => Promise<Outcome>) => Promise<void>;
