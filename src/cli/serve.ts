import { once } from "node:events";
import type { Command } from "commander";
import type { Execute } from "./execute.js";
import { version } from "./version.js";
import { serveView } from "./view/serve-view.js";

export function addServe(program: Command, execute: Execute): void {
  program
    .command("serve")
    .summary("the gateway and the admin database")
    .description("Applications reach their databases through one port, and operators the admin database on it: RESHARD moves a database to its new shards while applications write, and switches them over. Runs until SIGINT or SIGTERM; tasks that were under way are gone on with when it is started again.")
    .addHelpText("after", "\nExample:\n  pg-reshard serve --config pgdog.toml --users users.toml\n  psql -h localhost -p 6432 -U admin admin -c 'RESHARD prod prod_2x all_tables'")
    .action(async (_: unknown, command: Command) => {
      const { config, users } = command.optsWithGlobals<{ readonly config: string; readonly users: string }>();
      const usersOptional = command.getOptionValueSourceWithGlobals("users") !== "cli";
      await execute("serve", async ({ signal, terminal }) => {
        // The gateway is much to load, for commands that need none.
        const { serve } = await import("../serve/serve.js");
        const serving = await serve({ files: { config, users, usersOptional }, environment: terminal.environment, version: version(), report: serveView(terminal) });
        if (!signal.aborted) await once(signal, "abort");
        await serving.close();
        return { ok: true, text: "stopped\n", fields: {} };
      });
    });
}
