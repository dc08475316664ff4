import { type FieldDescription, noData, parseRowDescription, rowDescription } from "../../wire/backend-messages.js";
import { describeMessage, executeMessage } from "../../wire/frontend-messages.js";
import { Backend } from "../../wire/message.js";
import type { Gather, RoutedPlan } from "../planning/statement-plan.js";
import { type BindAnswers, type BoundText, clientText, queueBind } from "./bind-on-shard.js";
import { addTags, tagWithCount } from "./command-tag.js";
import { gatherAggregate } from "./gather-aggregate.js";
import { gatherMerge, rowOrder, type TextTraits } from "./gather-merge.js";
import { gatherUnion } from "./gather-union.js";
import type { GatheredAnswer } from "./gathered-answer.js";
import type { Portal } from "./prepared-statements.js";
import { rowRange, rowsInRange } from "./row-range.js";
import { tellBound } from "./run-on-one.js";
import type { SessionCore } from "./session-core.js";
import { SessionRows } from "./session-rows.js";
import type { GatheredRows } from "./shard-rows.js";
import type { ShardSession } from "./shard-session.js";
import type { StatementRun } from "./statement-run.js";
import { together } from "./together.js";

/** What is done with several shards' answers, besides running them. */
export interface GatherPlan {
  readonly sessions: readonly ShardSession[];
  bound(session: ShardSession): BoundText;
  /** Columns at the rows' end that are not the client's. */
  readonly hidden: number;
  /** One after another: the first has to be done before the others begin. */
  readonly inTurn: boolean;
  readonly gather: Exclude<Gather, { readonly kind: "one-shard-only" }>;
  /** Instead of the gather's, the rows of these parts. */
  readonly rowsOf?: (parts: readonly SessionRows[]) => GatheredRows;
}

/** How a routed statement is run on several shards. */
export function routedGatherPlan({ gather, everywhere, definesSchema, textForSeveral }: RoutedPlan, portal: Portal, sessions: readonly ShardSession[]): GatherPlan {
  const own = clientText(portal);
  const hidden = gather.kind === "merge" ? gather.hidden : 0;
  // One format is that of all columns.
  const resultFormats = hidden > 0 && own.resultFormats.length > 1 ? [...own.resultFormats, ...Array.from({ length: hidden }, () => 1)] : own.resultFormats;
  const bound: BoundText = textForSeveral === undefined ? own : { ...own, text: textForSeveral, variant: "for-several", resultFormats };
  if (gather.kind === "one-shard-only") throw new Error("a statement for one shard came to several");
  return { sessions, bound: () => bound, hidden, inTurn: everywhere.length > 0 || definesSchema, gather };
}

/**
 * Binds a portal on several shards, and begins to execute it.
 * @param maxRows 0: each shard gives all its rows in one go; else the portal can be left in between; undefined: it is bound
 * and described
 */
export async function openOnSeveral(core: SessionCore, run: StatementRun, plan: GatherPlan, maxRows: number | undefined): Promise<GatheredAnswer | undefined> {
  const { portal } = run;
  const { sessions, inTurn } = plan;
  const first = inTurn ? sessions.slice(0, 1) : sessions;
  const bind = portal.shards.length === 0;
  const begin = async (on: readonly ShardSession[], told: StatementRun, rows: number | undefined): Promise<FieldDescription[] | undefined> => {
    await tellBound(core, told, await beginOn(on, portal, bind ? plan : undefined, rows));
    return (await fieldsOf(on))[0];
  };
  const untold = { ...run, tellParse: false, tellBind: false };
  const fields = await begin(first, run, maxRows);
  tellFields(core, run, fields, plan.hidden);
  portal.shards = sessions.map(({ shard }) => shard);
  if (maxRows === undefined) {
    if (inTurn) await begin(sessions.slice(1), untold, maxRows);
    for (const session of sessions) await session.expect(Backend.readyForQuery);
    return undefined;
  }
  const parts = sessions.map((session) => (maxRows === 0 ? new SessionRows(session) : new SessionRows(session).inPortions(portal.name, maxRows)));
  const textTraits = traits(core);
  const gathered = (): { readonly rows: GatheredRows; readonly counted: boolean } => {
    const { gather } = plan;
    if (plan.rowsOf !== undefined) return { rows: plan.rowsOf(parts), counted: false };
    switch (gather.kind) {
      case "same":
        return { rows: gatherUnion(parts.slice(0, 1)), counted: false };
      case "union":
        return ranged(portal, gather, gatherUnion(parts), gather.limit !== undefined || gather.offset !== undefined);
      case "merge":
        return ranged(portal, gather, fields === undefined ? gatherUnion([]) : gatherMerge(parts, rowOrder(gather.by, fields, textTraits), gather.hidden), true);
      case "aggregate":
        return { rows: gatherAggregate(parts, gather.columns, fields ?? [], textTraits), counted: true };
    }
  };
  const { rows, counted } = gathered();
  const rest = async (): Promise<void> => {
    if (inTurn && sessions.length > 1) await begin(sessions.slice(1), untold, 0);
    await together(sessions, (_session, index) => parts[index]!.skip());
  };
  return {
    fields,
    rows: (async function* () {
      yield* rows;
      await rest();
    })(),
    parts,
    tag: (given) => {
      const [tag = ""] = parts.map((part) => part.tag);
      if (plan.gather.kind === "same" && plan.rowsOf === undefined) {
        warnOfDifference(core, parts);
        return tag;
      }
      return counted || tag.startsWith("SELECT ") ? tagWithCount(tag, given) : addTags(parts.map((part) => part.tag));
    },
  };
}

/**
 * Sends what begins a portal's answer.
 * @param plan undefined where the portal is bound already
 */
async function beginOn(sessions: readonly ShardSession[], portal: Portal, plan: GatherPlan | undefined, maxRows: number | undefined): Promise<BindAnswers[]> {
  const answers: BindAnswers[] = [];
  for (const session of sessions) {
    if (plan !== undefined) answers.push(queueBind(session, portal, plan.bound(session), true));
    else session.queue(describeMessage({ kind: "portal", name: portal.name }));
    if (maxRows !== undefined) session.queue(executeMessage({ portal: portal.name, maxRows }));
  }
  await together(sessions, (session) => session.sync());
  return answers;
}

/** The rows' descriptions; undefined where there are no rows by nature. */
async function fieldsOf(sessions: readonly ShardSession[]): Promise<(FieldDescription[] | undefined)[]> {
  const described: (FieldDescription[] | undefined)[] = [];
  for (const session of sessions) {
    const message = await session.next();
    described.push(message.type === Backend.rowDescription ? session.types.fields(parseRowDescription(message)) : undefined);
  }
  return described;
}

/** RowDescription or NoData, where the client waits for it. */
export function tellFields({ output }: SessionCore, { simple, describe }: StatementRun, fields: readonly FieldDescription[] | undefined, hidden: number): void {
  if (fields !== undefined && (describe || simple) && fields.length > hidden) output.push(rowDescription(fields.slice(0, fields.length - hidden)));
  else if (describe) output.push(noData);
}

/** What the order of values in text hangs on. */
function traits(core: SessionCore): TextTraits {
  return { isoDates: /^ISO\b/i.test(core.context.told.get("DateStyle") ?? ""), exactFloats: Number(core.setting("extra_float_digits") ?? 0) >= 1 };
}

function ranged({ parameters }: Portal, { limit, offset }: Extract<Gather, { kind: "union" | "merge" }>, rows: GatheredRows, counted: boolean): { readonly rows: GatheredRows; readonly counted: boolean } {
  if (limit === undefined && offset === undefined) return { rows, counted };
  const range = rowRange(limit, offset, (number) => {
    const { bytes, format } = parameters[number - 1] ?? { bytes: null, format: "text" };
    return { bytes, format: format === "binary" ? 1 : 0 };
  });
  return { rows: rowsInRange(rows, range), counted };
}

/** Each shard has the same rows: it has changed as many. */
function warnOfDifference(core: SessionCore, parts: readonly SessionRows[]): void {
  const [first, ...others] = parts;
  const other = others.find(({ tag }) => tag !== first?.tag);
  if (first === undefined || other === undefined) return;
  core.warn("01000", "the shards' copies of an omnisharded table differ", `Shard ${first.shard} answered ${first.tag}, shard ${other.shard} ${other.tag}. Compare the table on all shards (pg-reshard verify).`);
}
