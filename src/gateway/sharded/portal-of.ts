import type { BindMessage } from "../../wire/frontend-messages.js";
import type { SessionPlan } from "../planning/statement-plan.js";
import { failure } from "./failure.js";
import { planOne } from "./prepare.js";
import type { Portal, Prepared } from "./prepared-statements.js";
import { parametersIn } from "./parameters-in.js";
import type { SessionCore } from "./session-core.js";

/** Of a simple Query. */
const NOTHING_BOUND: BindMessage = { portal: "", statement: "", formats: [], values: [], resultFormats: [] };

/**
 * A statement with its parameters, planned on the present state of the schema. EXECUTE becomes what it executes.
 * @throws WireError 42601 where the text cannot be read, 26000 where EXECUTE names nothing
 */
export async function portalOf(core: SessionCore, prepared: Prepared, bind: BindMessage): Promise<Portal> {
  const planned = await planOne(core, prepared.text);
  const parameters = bind.values.map((bytes, index) => ({
    bytes,
    format: (bind.formats[bind.formats.length === 1 ? 0 : index] ?? 0) === 1 ? ("binary" as const) : ("text" as const),
    typeOid: prepared.parameterTypes[index] ?? prepared.describedTypes?.[index] ?? 0,
  }));
  const portal: Portal = { name: bind.portal, prepared, bind, parameters, planned, shards: [] };
  const plan = planned?.plan;
  return plan?.kind === "session" && plan.action === "execute" ? await executed(core, plan, portal) : portal;
}

/** How many parameters a statement takes. */
export function parameterCount(prepared: Prepared): number {
  prepared.parameters ??= Math.max(prepared.parameterTypes.length, ...parametersIn(prepared.text));
  return prepared.parameters;
}

/** The portal of one statement of a simple Query. */
export async function portalOfQuery(core: SessionCore, text: string): Promise<Portal> {
  return await portalOf(core, { id: 0, text, named: false, parameterTypes: [] }, NOTHING_BOUND);
}

/** EXECUTE name (values): as a Bind of the statement, with text for parameters. */
async function executed(core: SessionCore, { name, values }: Extract<SessionPlan, { action: "execute" }>, { bind, parameters }: Portal): Promise<Portal> {
  const prepared = core.statements.get(name);
  if (prepared === undefined) throw failure("26000", `prepared statement "${name}" does not exist`);
  if (values.length !== parameterCount(prepared)) {
    throw failure("42601", `wrong number of parameters for prepared statement "${name}"`, { detail: `Expected ${parameterCount(prepared)} parameters but got ${values.length}.` });
  }
  const given = values.map((value) => {
    switch (value.kind) {
      case "constant":
        return { bytes: value.text === null ? null : Buffer.from(value.text), format: 0 };
      case "parameter": {
        const parameter = parameters[value.number - 1];
        return { bytes: parameter?.bytes ?? null, format: parameter?.format === "binary" ? 1 : 0 };
      }
      case "expression":
        throw failure("0A000", "EXECUTE with an expression as a parameter is not supported on a sharded database", { hint: "Give constants, or bind the statement through the driver (extended protocol)." });
    }
  });
  return await portalOf(core, prepared, { ...bind, statement: name, formats: given.map(({ format }) => format), values: given.map(({ bytes }) => bytes) });
}
