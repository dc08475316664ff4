/** What a session has made of itself, as far as another server can be told the same. */
export interface SessionState {
  /** What was SET and differs from the start-up's, as `set_config` takes it. */
  readonly settings: ReadonlyMap<string, string>;
  /** SET SESSION AUTHORIZATION and SET ROLE; undefined: none. */
  readonly sessionAuthorization: string | undefined;
  readonly role: string | undefined;
  readonly statements: readonly PreparedStatement[];
  /** LISTEN. */
  readonly channels: readonly string[];
}

export type PreparedStatement =
  /** By a Parse message. */
  | {
      readonly kind: "parse";
      readonly name: string;
      readonly text: string;
      readonly parameterTypes: readonly ParameterType[];
      /**
       * OIDs of the result's types, where the session has asked for values in binary. Clients keep them, and would misread
       * values of other types: where they are others now (`sameResult`), the statement is not to be prepared again.
       */
      readonly resultTypes?: readonly number[] | undefined;
    }
  /** By `PREPARE name … AS …`, which is `sql`: run again it says the same, with types of the new server. */
  | { readonly kind: "prepare"; readonly name: string; readonly sql: string };

export interface ParameterType {
  /** As the client knows it: values come in this type's format. Users' types have another OID on another server. */
  readonly oid: number;
  /** Schema-qualified and quoted, for `to_regtype`. */
  readonly name: string;
}

/** Objects of users have OIDs from here on (FirstNormalObjectId, access/transam.h). */
export const FIRST_NORMAL_OID = 16384;

export const NEW_SESSION: SessionState = { settings: new Map(), sessionAuthorization: undefined, role: undefined, statements: [], channels: [] };

/** True where a client that knows the old types reads values of the new ones as they are meant. Users' types differ by server. */
export function sameResult(before: readonly number[] | undefined, now: readonly number[]): boolean {
  if (before === undefined) return true;
  return before.length === now.length && before.every((oid, index) => oid === now[index] || (oid >= FIRST_NORMAL_OID && now[index]! >= FIRST_NORMAL_OID));
}
