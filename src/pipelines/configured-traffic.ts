import type { Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { commandTraffic } from "./traffic-command.js";
import { pgbouncerTraffic } from "./traffic-pgbouncer.js";
import type { Traffic } from "./traffic.js";

/**
 * The traffic that `[cutover]` names, for a cutover from a pipeline's source to its destination.
 *
 * @throws ReshardError CUTOVER_NEEDS_GATEWAY: our own gateway is another process
 */
export function configuredTraffic(pipeline: Pipeline): Traffic {
  const { traffic } = pipeline.cutover;
  switch (traffic.kind) {
    case "command":
      return commandTraffic(traffic.commands, { from: pipeline.from.name, to: pipeline.to.name });
    case "pgbouncer":
      return pgbouncerTraffic(traffic.pgbouncer, pipeline);
    case "gateway":
      throw new ReshardError("CUTOVER_NEEDS_GATEWAY", "A cutover through the gateway is done by the process that is the gateway.", {
        remedy: `Start pg-reshard serve and type RESHARD or CUTOVER into its admin database; or say how the applications are led to their database: [cutover] traffic = "pgbouncer" or "command".`,
      });
  }
}
