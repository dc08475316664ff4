import { Command, CommanderError } from "commander";
import { addAdmin } from "./admin.js";
import { addCheck } from "./check.js";
import { addDataSync } from "./data-sync.js";
import { addDemo } from "./demo.js";
import { addDiff } from "./diff.js";
import type { Execute } from "./execute.js";
import { EXIT } from "./failure.js";
import { addFinish } from "./finish.js";
import { addGraph } from "./graph.js";
import { addNew } from "./new.js";
import { perform } from "./perform.js";
import { addPlan } from "./plan.js";
import { addRollback } from "./rollback.js";
import { addRun } from "./run.js";
import { addSchema } from "./schema.js";
import { addSchemaSync } from "./schema-sync.js";
import { addServe } from "./serve.js";
import { addStatus } from "./status.js";
import type { Terminal } from "./terminal.js";
import { addTest } from "./test.js";
import { addVerify } from "./verify.js";
import { version } from "./version.js";
import { jsonLine } from "./view/json-line.js";

/** The commands, their words and their help; `execute` is called with what is to be done. */
export function commandLine(terminal: Terminal, execute: Execute): Command {
  const program = new Command("pg-reshard")
    .description("Moves a live PostgreSQL database from one to many shards, and proves that nothing was lost.")
    .version(version(), "--version", "print the version")
    .helpOption("--help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .option("-c, --config <file>", "where [[databases]] and the sharding rules are", "pgdog.toml")
    .option("-u, --users <file>", "where [[users]] are", "users.toml")
    .option("--json", "events and results on standard output, one JSON object a line")
    .configureHelp({ showGlobalOptions: true, helpWidth: Math.min(terminal.columns, 100) })
    .configureOutput({
      writeOut: (text) => { terminal.out(text); },
      writeErr: (text) => { terminal.err(text); },
      outputError(text, write) {
        if (terminal.json) terminal.out(jsonLine({ type: "error", code: "USAGE", message: text.trim().replace(/^error: /, ""), remedy: "See pg-reshard --help." }));
        else write(`${text.trimEnd()}\nSee pg-reshard --help.\n`);
      },
    })
    .exitOverride()
    .addHelpText("after", "\nExample:\n  pg-reshard demo\n  pg-reshard run reshard.toml");
  addCheck(program, execute);
  addTest(program, execute);
  addPlan(program, execute);
  addGraph(program, execute);
  addRun(program, execute);
  addRollback(program, execute);
  addSchemaSync(program, execute);
  addDataSync(program, execute);
  addDiff(program, execute);
  addVerify(program, execute);
  addStatus(program, execute);
  addFinish(program, execute);
  addServe(program, execute);
  addAdmin(program, execute);
  addNew(program, execute);
  addSchema(program, execute);
  addDemo(program, execute);
  return program;
}

/** Runs one command line, without the program's own name; answers with the exit code. */
export async function runCommandLine(words: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = commandLine(terminal, async (command, work) => {
    exitCode = await perform(terminal, command, work);
  });
  try {
    await program.parseAsync([...words], { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}
