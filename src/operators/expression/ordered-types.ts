import { TypeOid } from "../../postgres/type-oids.js";
import { valueCodec } from "../../postgres/value-codec.js";
import type { ValueFormat } from "../../postgres/value-format.js";
import { type ValueOrder, valueOrder } from "../../postgres/value-order.js";

/** Our sessions see to the settings; text is not among these types. */
const TRAITS = { bytewiseText: true, isoDates: true, exactFloats: true };

/** How a literal of a type is written: for messages, and how it becomes the text that the type's codec takes. */
interface Literal {
  readonly example: string;
  readonly normal: (text: string) => string;
}

const ISO = /^(\d{4,}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d(?:\.\d{1,6})?)?)?(?: ?(Z|[+-]\d\d(?::?\d\d)?))?( BC)?$/i;

/** A date alone is its midnight, seconds may be left out, and a zone is UTC where none is told. */
function timestampLiteral(zoned: boolean): (text: string) => string {
  return (text) => {
    const parts = ISO.exec(text.trim());
    if (parts === null) return text.trim();
    const [, date, minutes = "00:00", seconds = ":00", zone, era = ""] = parts;
    const offset = zone === undefined ? (zoned ? "+00" : "") : zone.toUpperCase() === "Z" ? "+00" : zone.replace(/^(...)(\d\d)$/, "$1:$2");
    return `${date!} ${minutes}${seconds}${offset}${era.toUpperCase()}`;
  };
}

const LITERALS: Readonly<Record<string, Literal>> = {
  uuid: { example: "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", normal: (text) => text.trim() },
  date: { example: "'2024-12-31'", normal: (text) => text.trim() },
  time: { example: "'18:30:00'", normal: (text) => text.trim().replace(/^(\d\d:\d\d)$/, "$1:00") },
  timestamp: { example: "'2024-12-31 18:30:00'", normal: timestampLiteral(false) },
  timestamptz: { example: "'2024-12-31 18:30:00+00'", normal: timestampLiteral(true) },
};

export interface OrderedType {
  readonly example: string;
  readonly orders: Readonly<Record<ValueFormat, ValueOrder>>;
  /** A literal's keys in each format. @throws ReshardError VALUE_NOT_OF_TYPE */
  keysOf(text: string): Readonly<Record<ValueFormat, unknown>>;
}

/** Types whose values are compared with their own kind only, by the order of their operator class. Undefined: not one. */
export function orderedType(type: string): OrderedType | undefined {
  const literal = Object.hasOwn(LITERALS, type) ? LITERALS[type] : undefined;
  if (literal === undefined) return undefined;
  const oid = TypeOid[type as keyof typeof TypeOid];
  const orders = { binary: valueOrder(oid, 1, TRAITS)!, text: valueOrder(oid, 0, TRAITS)! };
  return {
    example: literal.example,
    orders,
    keysOf(text) {
      const codec = valueCodec(type);
      const normal = literal.normal(text);
      return { binary: orders.binary.keyOf(codec.encode(normal, "binary")), text: orders.text.keyOf(codec.encode(normal, "text")) };
    },
  };
}
