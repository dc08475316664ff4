import type { GatewayControls } from "../admin/gateway-controls.js";
import type { Gateway } from "../gateway/gateway.js";
import type { Directory } from "./directory.js";

/** Who holds statements back, as SHOW POOLS names it. */
const MAINTENANCE = "maintenance";
const PAUSE = "pause";

/** What open transactions are given by PAUSE: an operator who types it waits for them, and can give up. */
const FOREVER = { timeout: 2 ** 31 - 1, action: "abort", signal: new AbortController().signal } as const;

/** The gateway as the admin database works it. */
export function gatewayControls(gateway: Gateway, directory: Directory, others: Pick<GatewayControls, "reload" | "routes">): GatewayControls {
  return {
    ...others,
    async maintenance(on, database) {
      if (on) gateway.hold(MAINTENANCE, database);
      else await gateway.release(MAINTENANCE, database);
    },
    pause: (database) => gateway.pause(PAUSE, FOREVER, database),
    resume: (database) => gateway.release(PAUSE, database),
    clients: () => gateway.clientRows(),
    servers: () => gateway.serverRows(),
    pools: () => gateway.poolRows(),
    configuration: () => ({ ...directory.configuration }),
  };
}
