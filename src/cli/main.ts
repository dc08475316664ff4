#!/usr/bin/env node
import { collectGarbageLessOften } from "./collect-garbage-less-often.js";
import { runCommandLine } from "./program.js";
import { processTerminal } from "./terminal.js";

collectGarbageLessOften();
const words = process.argv.slice(2);
const exitCode = await runCommandLine(words, processTerminal(words.includes("--json")));
// Not before everything is written; nothing that was left open may keep the process.
process.stdout.write("", () => process.exit(exitCode));
