import type { BindMessage } from "../../wire/frontend-messages.js";
import type { BoundParameter } from "../planning/shards-of.js";
import type { PlannedStatement } from "../planning/statement-planner.js";
import type { GatheredAnswer } from "./gathered-answer.js";

/** A statement of the client, by Parse or PREPARE. It is prepared on a shard when it is first run there. */
export interface Prepared {
  /** Of its own: the names that it has on the shards begin with it. */
  readonly id: number;
  readonly text: string;
  /** It is kept on the shards too. */
  readonly named: boolean;
  /** OIDs, as the client gave them; 0 or none leaves a type to the server. */
  readonly parameterTypes: readonly number[];
  /** What the server says of them, as the client was told; undefined before it was asked. */
  describedTypes?: readonly number[];
  /** How many there are; undefined before they were counted. */
  parameters?: number;
  /** By PREPARE: its text. */
  readonly sql?: string;
}

/** A statement with its parameters. */
export interface Portal {
  readonly name: string;
  readonly prepared: Prepared;
  readonly bind: BindMessage;
  readonly parameters: readonly BoundParameter[];
  /** Undefined of an empty statement. */
  readonly planned: PlannedStatement | undefined;
  /** Where it is bound; empty before that, and where no shard has to do with it. */
  shards: readonly number[];
  /** An answer of several shards that has begun. */
  answer?: GatheredAnswer;
  /** All rows were given: there is no more. */
  finished?: boolean;
}

/** What a client has prepared and bound. */
export class PreparedStatements {
  readonly #statements = new Map<string, Prepared>();
  readonly #portals = new Map<string, Portal>();
  #count = 0;

  nextId(): number {
    return ++this.#count;
  }

  get(name: string): Prepared | undefined {
    return this.#statements.get(name);
  }

  set(name: string, prepared: Prepared): void {
    this.#statements.set(name, prepared);
  }

  delete(name: string): boolean {
    return this.#statements.delete(name);
  }

  clear(): void {
    this.#statements.clear();
  }

  /** The named ones. */
  get named(): readonly (readonly [string, Prepared])[] {
    return [...this.#statements].filter(([name]) => name !== "");
  }

  portal(name: string): Portal | undefined {
    return this.#portals.get(name);
  }

  setPortal(portal: Portal): void {
    this.#portals.set(portal.name, portal);
  }

  deletePortal(name: string): void {
    this.#portals.delete(name);
  }

  /** They end with their transaction. */
  clearPortals(): void {
    this.#portals.clear();
  }
}
