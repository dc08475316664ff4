import type { ServerAddress } from "../config/types.js";
import type { Drain, Traffic } from "../pipelines/traffic.js";
import type { Gateway } from "./gateway.js";

/** Which of two databases' names leads to which servers: kept by whoever keeps the configuration. */
export interface Routing {
  /** As `Traffic.warnings`. */
  warnings(): Promise<readonly string[]>;
  /** Swaps the servers of the two names: durable, and then in the gateway (`Gateway.replaceDatabases`). */
  switch(): Promise<void>;
  /** As `Traffic.inCharge`. */
  inCharge(): Promise<"source" | "destination" | undefined>;
}

const HOLDER = "cutover";

/** The gateway's traffic as a cutover sees it. Clients of both names wait: the one's become the other's. */
export class GatewayTraffic implements Traffic {
  readonly #gateway: Gateway;
  readonly #names: readonly string[];
  readonly #routing: Routing;

  /** `source` and `destination`: the databases' names. */
  constructor(gateway: Gateway, source: string, destination: string, routing: Routing) {
    this.#gateway = gateway;
    this.#names = [source, destination];
    this.#routing = routing;
  }

  async warnings(): Promise<readonly string[]> {
    return await this.#routing.warnings();
  }

  async pause(drain: Drain): Promise<void> {
    const paused = await Promise.allSettled(this.#served.map((name) => this.#gateway.pause(HOLDER, drain, name)));
    const failed = paused.find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return;
    await this.resume();
    throw failed.reason;
  }

  async switch(): Promise<void> {
    await this.#routing.switch();
  }

  async inCharge(): Promise<"source" | "destination" | undefined> {
    return await this.#routing.inCharge();
  }

  async resume(): Promise<void> {
    await Promise.all(this.#served.map((name) => this.#gateway.release(HOLDER, name)));
  }

  processesOn(shard: ServerAddress): Promise<ReadonlySet<number>> {
    return Promise.resolve(this.#gateway.processesOn(shard));
  }

  get #served(): readonly string[] {
    return this.#names.filter((name) => this.#gateway.has(name));
  }
}
