import { pipe, tap } from "rxjs";
import type { ChangeBatch } from "../../change-batch.js";
import { ReshardError } from "../../errors.js";
import { run } from "../../flow.js";
import { operateChanges } from "../../operators/operate-changes.js";
import type { OperatorChain } from "../../operators/operator-chain.js";
import { skipBefore } from "../../operators/skip-before.js";
import { displayAddress } from "../../postgres/connection.js";
import { formatLsn, type Lsn } from "../../postgres/lsn.js";
import type { PgoutputRelation } from "../../postgres/pgoutput-message.js";
import { changeStream } from "../../sources/change-stream.js";
import { completeChanges } from "../../sources/complete-changes.js";
import { completeRows } from "../../sources/source-rows.js";
import { Aim } from "../aim.js";
import { interrupted } from "../interrupted.js";
import { sourcePosition } from "../slot.js";
import { streamUntil } from "../stream-until.js";
import { untilDone } from "../until-done.js";
import { streamFormatOf } from "../value-formats.js";
import { ChangedRelations } from "./changed-relations.js";
import type { ChangesSink, ChangesSource, FlowContext, FlowSink } from "./flow-parts.js";
import { SourceLookup } from "./source-lookup.js";

/** Streams a source's changes into a sink until the source says so, or the operator stops it. Positions are acknowledged when the sink has them for good. */
export async function runChanges(source: ChangesSource, sink: FlowSink, context: FlowContext): Promise<void> {
  const { report, signal, general, sessions } = context;
  const format = sink.wantsText ? "text" : streamFormatOf(source.tables, { general });
  const lookup = new SourceLookup(source.server, () => sessions.source(source.server, "lookup"));
  try {
    const relations = new ChangedRelations(source.tables, context.chainOf);
    const ready = await sink.changes({ source, relations, format, lookup });
    const aim = new Aim({ pipeline: { general }, report, signal, sessions }, { address: source.server, number: source.sourceShard }, { kind: source.until });
    try {
      await source.ensureSlot(await ready.hasBegun());
      let changes = 0;
      await streamUntil({ what: `changes of slot ${source.slot}`, aim, general, stop: signal, report }, async (stop, durable) => {
        await lookup.renew();
        await sessions.kept.use(source.server, "monitor", (client) => sessions.fence(client, "stream", "lookup"));
        const { position, sink: into } = await attemptAt(ready, source, context);
        const chainOf = (relation: PgoutputRelation): OperatorChain | undefined => relations.of(relation).chain;
        const operators = pipe(
          skipBefore(position),
          context.paced<ChangeBatch>(),
          tap((batch: ChangeBatch) => { changes += batch.count; }),
          completeChanges({
            concerns(relation) {
              const { chain, published } = relations.of(relation);
              // A row that enters a row filter comes as inserted, but without what is stored outside it.
              return chain !== undefined || published.rowFilter !== undefined;
            },
            complete: (row) => lookup.use((client) => completeRows(client, row, [0], { ...relations.published(row.relation), isText: relations.textColumns(row.relation, format) })),
            untilSeen: (transactions) => lookup.untilSeen(transactions),
          }),
          operateChanges({ chainOf, relationAfter: (relation) => relations.of(relation).after, format }),
        );
        const changes$ = changeStream({ server: source.server, applicationName: sessions.applicationName("stream"), slot: source.slot, publication: source.publication, serverVersion: source.version, format, stop });
        // Stopping is the source's: it completes once what is on the way has arrived.
        await untilDone(run(changes$, operators, into), new AbortController().signal, (receipt) => {
          if (receipt.durable !== undefined) durable(receipt.durable, changes);
        });
      });
    } finally {
      await ready.close();
    }
    if (source.until === "caught-up" && !aim.reached.aborted) throw interrupted();
  } finally {
    await lookup.close();
  }
}

/** What a sink has of a stream that is ahead of the server is of another time, or another server. */
async function attemptAt(sink: ChangesSink, { server, slot }: ChangesSource, { sessions }: FlowContext): Promise<Awaited<ReturnType<ChangesSink["attempt"]>>> {
  const attempt = await sink.attempt();
  const present: Lsn = await sessions.kept.use(server, "monitor", sourcePosition);
  if (attempt.position <= present) return attempt;
  throw new ReshardError("POSITION_AHEAD", `The sink has the changes of slot ${slot} up to ${formatLsn(attempt.position)}, and ${displayAddress(server)} is at ${formatLsn(present)}.`, {
    place: { server: displayAddress(server) },
    remedy: "The server was made anew or put back to an earlier time. Bring the sink to its present state and begin anew: into another file, or after removing what the sink knows of this stream.",
  });
}
