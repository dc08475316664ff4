import type { ServerAddress } from "../../config/types.js";
import { connect, endQuietly } from "../../postgres/connection.js";
import { type FieldDescription, parameterDescription, parseParameterDescription, parseRowDescription, rowDescription } from "../../wire/backend-messages.js";
import type { Message } from "../../wire/message.js";
import { FIRST_NORMAL_OID } from "../session-state.js";

/**
 * A type that users have made has another OID on each shard. Clients know the first shard's, of whose catalog they are
 * told; what other shards say and hear is translated by the types' names. (Not within values: the binary form of an array of such
 * a type holds its OID too, and servers refuse those of others.)
 */
export class TypeMap {
  #toClient: ReadonlyMap<number, number> = new Map();
  #toShard: ReadonlyMap<number, number> = new Map();

  /** By the types' names: OIDs on the first shard, and on this one. */
  set(first: ReadonlyMap<string, number>, own: ReadonlyMap<string, number>): void {
    const pairs = [...own].flatMap(([name, oid]) => (first.has(name) ? [[oid, first.get(name)!] as const] : []));
    this.#toClient = new Map(pairs);
    this.#toShard = new Map(pairs.map(([shard, client]) => [client, shard]));
  }

  /** For Parse. */
  toShard(oids: readonly number[]): readonly number[] {
    return oids.some((oid) => oid >= FIRST_NORMAL_OID) ? oids.map((oid) => this.#toShard.get(oid) ?? oid) : oids;
  }

  /** For the client. */
  toClient(oid: number): number {
    return this.#toClient.get(oid) ?? oid;
  }

  fields(fields: FieldDescription[]): FieldDescription[] {
    return fields.some(({ typeOid }) => typeOid >= FIRST_NORMAL_OID) ? fields.map((field) => ({ ...field, typeOid: this.toClient(field.typeOid) })) : fields;
  }

  /** RowDescription, for the client. */
  rowDescription(message: Message): Buffer {
    if (this.#toClient.size === 0) return message.bytes;
    const fields = parseRowDescription(message);
    const translated = this.fields(fields);
    return translated === fields ? message.bytes : rowDescription(translated);
  }

  /** ParameterDescription, for the client. */
  parameterDescription(message: Message): Buffer {
    if (this.#toClient.size === 0) return message.bytes;
    return parameterDescription(parseParameterDescription(message).map((oid) => this.toClient(oid)));
  }
}

/** The OIDs of users' types, by their names. */
export async function readUserTypes(address: ServerAddress): Promise<Map<string, number>> {
  const client = await connect(address, { applicationName: "pg-reshard catalog" });
  try {
    const { rows } = await client.query<{ name: string; oid: string }>(
      `SELECT format('%I.%I', n.nspname, t.typname) AS name, t.oid::int8 AS oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.oid >= ${FIRST_NORMAL_OID} AND n.nspname !~ '^pg_(toast|temp)'`,
    );
    return new Map(rows.map(({ name, oid }) => [name, Number(oid)]));
  } finally {
    await endQuietly(client);
  }
}
