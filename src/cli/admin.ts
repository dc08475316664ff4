import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { loadServeConfiguration } from "../config/serve.js";
import { adminConsole, type AdminAddress, type AdminResult } from "./admin-console.js";
import type { Execute } from "./execute.js";
import { records } from "./view/records.js";

interface AdminFlags {
  readonly host?: string;
  readonly port?: number;
  readonly config: string;
  readonly users: string;
}

export function addAdmin(program: Command, execute: Execute): void {
  program
    .command("admin")
    .argument("<commands...>", "commands of the admin database; SHOW HELP lists them")
    .summary("type a command into the admin database")
    .description("Connects to the admin database of pg-reshard serve, as the configuration names it, and prints what it answers: a table where it fits the terminal, else one value a line.")
    .option("--host <name>", "where it listens; without it, [general] host")
    .addOption(new Option("--port <number>", "and on which port; without it, [general] port").argParser(portOf))
    .addHelpText("after", '\nExamples:\n  pg-reshard admin "SHOW TASKS"\n  pg-reshard admin "RESHARD prod prod_2x pgdog" "SHOW TABLE_COPIES"')
    .action(async (commands: readonly string[], _: unknown, command: Command) => {
      const { host, port, config, users } = command.optsWithGlobals<AdminFlags>();
      const usersOptional = command.getOptionValueSourceWithGlobals("users") !== "cli";
      await execute("admin", async ({ terminal, report }) => {
        const served = loadServeConfiguration({ config, users, usersOptional }, terminal.environment);
        const address: AdminAddress = { host: host ?? reachable(served.host), port: port ?? served.port, tls: served.tls !== undefined, ...served.admin };
        const results = await adminConsole(address, commands, (message) => { report({ type: "note", message }); });
        return {
          ok: results.every(succeeded),
          text: results.map((result) => textOf(result, terminal.columns)).join("\n"),
          fields: { results: results.map(({ tag, objects }) => ({ tag, rows: objects })) },
        };
      });
    });
}

function textOf({ tag, rows }: AdminResult, width: number): string {
  return rows === undefined ? `${tag}\n` : `${records(rows, width).join("\n")}\n`;
}

/** STOP_TASK answers so instead of failing, as PgDog does. */
function succeeded({ objects }: AdminResult): boolean {
  return !objects.some((row) => "stop_task" in row && row["stop_task"] !== "OK");
}

/** Whoever listens everywhere is here too. */
function reachable(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new InvalidArgumentError("It has to be a number from 1 to 65535.");
  return port;
}
