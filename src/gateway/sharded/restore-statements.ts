import { quoteLiteral } from "../../postgres/identifiers.js";
import { WireError } from "../../wire/wire-error.js";
import { FIRST_NORMAL_OID, type PreparedStatement, sameResult } from "../session-state.js";
import { prepareByName } from "./prepare.js";
import type { Prepared } from "./prepared-statements.js";
import { resultTypesOf } from "./result-types.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";

/** Prepares what the client had prepared elsewhere. What cannot be is gone, and the client is warned. */
export async function restoreStatements(core: SessionCore, session: ShardSession, statements: readonly PreparedStatement[]): Promise<void> {
  const oids = await typeOids(session, statements);
  for (const statement of statements) {
    try {
      if (statement.kind === "prepare") await prepareAgain(core, statement.sql);
      else {
        const parameterTypes = statement.parameterTypes.map(({ oid, name }) => {
          const known = oid < FIRST_NORMAL_OID ? oid : oids.get(name);
          if (known === undefined) throw new WireError("42704", `type ${name} does not exist`);
          return known;
        });
        const { name, text, resultTypes } = statement;
        const prepared: Prepared = { id: core.statements.nextId(), text, named: name !== "", parameterTypes };
        // Else a shard looks at it when it is run.
        if (resultTypes !== undefined) {
          core.binaryResults = true;
          if (!sameResult(resultTypes, await resultTypesOf(core, prepared))) throw new WireError("0A000", "cached plan must not change result type");
        }
        core.statements.set(name, prepared);
      }
    } catch (error) {
      if (!(error instanceof WireError) || error.fatal) throw error;
      core.warn("01000", `the prepared statement "${statement.name}" was lost when the database moved to other servers: ${error.message}`);
    }
  }
}

async function prepareAgain(core: SessionCore, sql: string): Promise<void> {
  const planned = await core.plan(sql);
  if ("failure" in planned) throw new WireError("42601", planned.failure.message);
  const plan = planned.statements[0]?.plan;
  if (plan?.kind !== "session" || plan.action !== "prepare") throw new WireError("0A000", plan?.kind === "refused" ? plan.reason : "it is no PREPARE");
  await prepareByName(core, plan, sql);
}

/** OIDs of users' types on these shards, by name. */
async function typeOids(session: ShardSession, statements: readonly PreparedStatement[]): Promise<Map<string, number>> {
  const types = statements.flatMap((statement) => (statement.kind === "parse" ? statement.parameterTypes : []));
  const names = [...new Set(types.filter(({ oid }) => oid >= FIRST_NORMAL_OID).map(({ name }) => name))];
  if (names.length === 0) return new Map();
  const { rows } = await session.ask(`SELECT n.name, pg_catalog.to_regtype(n.name)::oid FROM pg_catalog.unnest(ARRAY[${names.map(quoteLiteral).join(", ")}]) AS n (name)`);
  return new Map(rows.flatMap(([name, oid]) => (oid === null || oid === undefined ? [] : [[name!, session.types.toClient(Number(oid))] as const])));
}
