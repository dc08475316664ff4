import { defect } from "../errors.js";
import type { OperatorChain } from "../operators/operator-chain.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";

/** A streamed relation as it comes and as it is behind the operators. */
export interface OperatedRelation {
  readonly relation: PgoutputRelation;
  /** Undefined: no operator concerns it, and `after` is `relation`. */
  readonly chain: OperatorChain | undefined;
  readonly after: PgoutputRelation;
}

/** The relations of a stream, each described once. */
export class OperatedRelations<R extends OperatedRelation> {
  readonly #describe: (relation: PgoutputRelation) => R;
  readonly #known = new Map<PgoutputRelation, R>();
  readonly #byAfter = new Map<PgoutputRelation, R>();

  constructor(describe: (relation: PgoutputRelation) => R) {
    this.#describe = describe;
  }

  /** Of a relation as the source sends it. */
  of(relation: PgoutputRelation): R {
    let known = this.#known.get(relation);
    if (known === undefined) {
      known = this.#describe(relation);
      this.#known.set(relation, known);
      this.#byAfter.set(known.after, known);
    }
    return known;
  }

  /** Of one that came through the operators. */
  behind(after: PgoutputRelation): R {
    const known = this.#byAfter.get(after);
    if (known === undefined) throw defect(`the relation ${after.name} did not come through the operators`);
    return known;
  }
}
