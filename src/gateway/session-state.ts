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
  | { readonly kind: "parse"; readonly name: string; readonly text: string; readonly parameterTypes: readonly ParameterType[] }
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
