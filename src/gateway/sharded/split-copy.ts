import { ReshardError } from "../../errors.js";
import { encodeCopyHeader, encodeCopyTrailer, fieldAt, fieldLength } from "../../postgres/copy-binary.js";
import { RowPositions } from "../../postgres/copy-row-positions.js";
import { TupleScanner } from "../../postgres/copy-tuple-scanner.js";
import { keyBytesOfText } from "../planning/key-bytes.js";
import { noShard, shardOfKey } from "../planning/shards-of.js";
import type { CopyInPlan } from "../planning/statement-plan.js";
import { CopyLineScanner, lineField, type LineFormat, withoutLineEnd } from "./copy-lines.js";
import { failure, notYet } from "./failure.js";

type ByKey = Extract<CopyInPlan["where"], { kind: "key" }>;

/** A row may not be longer than a message. */
const MOST_ROW_BYTES = 0x3fffffff;
const END_MARK = Buffer.from("\\.");
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * The rows of a COPY … FROM STDIN, each to its shard: bytes are passed on as they came. A row that is cut in two by the
 * client's messages is kept until the rest has come.
 *
 * Throws a `WireError` for what no shard could take: a key that is none of its type or that no shard has, a broken format.
 */
export class CopySplitter {
  /** For each shard the bytes that it is to be sent next; emptied by whoever sends them. */
  readonly parts: Buffer[][];
  readonly #plan: CopyInPlan;
  readonly #key: ByKey;
  readonly #scanner: CopyLineScanner | TupleScanner;
  readonly #shardOfRow: (buffer: Buffer, start: number, end: number) => number;
  readonly #positions = new RowPositions();
  /** The beginning of a row. Longer than what is kept. */
  #kept = NOTHING;
  #keptBytes = 0;
  #rows = 0;
  #headerPending: boolean;
  #ended = false;

  constructor(plan: CopyInPlan, key: ByKey, shards: number) {
    this.#plan = plan;
    this.#key = key;
    this.parts = Array.from({ length: shards }, () => (plan.format === "binary" ? [encodeCopyHeader()] : []));
    this.#headerPending = plan.header && plan.format !== "binary";
    if (plan.format === "binary") {
      this.#scanner = new TupleScanner({ columns: key.columns });
      this.#shardOfRow = (buffer, start) => this.#shardOfTuple(buffer, start);
    } else {
      const byte = (text: string): number => Buffer.from(text)[0] ?? -1;
      const format: LineFormat = { csv: plan.format === "csv", delimiter: byte(plan.delimiter), quote: byte(plan.quote), escape: byte(plan.escape) };
      const nullText = Buffer.from(plan.nullText);
      this.#scanner = new CopyLineScanner(format);
      this.#shardOfRow = (buffer, start, end) => this.#shardOfLine(buffer, start, end, format, nullText);
    }
  }

  /** Takes what the client sent. */
  feed(chunk: Buffer): void {
    if (this.#ended || chunk.length === 0) return;
    let buffer = chunk;
    let end = chunk.length;
    if (this.#keptBytes > 0) {
      this.#keep(chunk);
      buffer = this.#kept;
      end = this.#keptBytes;
    }
    const consumed = this.#take(buffer, end);
    if (consumed === end) this.#keptBytes = 0;
    else if (buffer === this.#kept) {
      if (consumed === 0) return;
      // What was passed on are views of the old buffer.
      this.#kept = Buffer.from(buffer.subarray(consumed, end));
      this.#keptBytes = this.#kept.length;
    } else {
      this.#keptBytes = 0;
      this.#keep(buffer.subarray(consumed, end));
    }
    if (this.#keptBytes === 0) this.#kept = NOTHING;
  }

  /** The client has said everything. */
  finish(): void {
    if (this.#plan.format === "binary") {
      // A server takes data that lack their end mark.
      if (!this.#ended && this.#keptBytes > 0) throw failure("22P04", "unexpected EOF in COPY data");
      for (const part of this.parts) part.push(encodeCopyTrailer());
      return;
    }
    // The last line may lack its end.
    if (!this.#ended && this.#keptBytes > 0) this.#pass(this.#kept, 0, this.#keptBytes);
  }

  /** Passes whole rows on; how many bytes were taken. */
  #take(buffer: Buffer, end: number): number {
    const rows = this.#positions;
    rows.clear();
    const consumed = this.#scan(buffer, end, rows);
    let run = 0;
    let runShard = -1;
    let runEnd = 0;
    for (let row = 0; row < rows.count && !this.#ended; row++) {
      const start = rows.starts[row]!;
      const rowEnd = rows.ends[row]!;
      const shard = this.#shardAt(buffer, start, rowEnd);
      // Neighbours of one shard go together.
      if (shard !== runShard || start !== runEnd) {
        this.#push(runShard, buffer, run, runEnd);
        runShard = shard;
        run = start;
      }
      runEnd = rowEnd;
    }
    this.#push(runShard, buffer, run, runEnd);
    if (this.#scanner instanceof TupleScanner && this.#scanner.finished) this.#ended = true;
    return consumed;
  }

  #pass(buffer: Buffer, start: number, end: number): void {
    this.#push(this.#shardAt(buffer, start, end), buffer, start, end);
  }

  #push(shard: number, buffer: Buffer, start: number, end: number): void {
    if (shard === EVERY) for (const part of this.parts) part.push(buffer.subarray(start, end));
    else if (shard >= 0) this.parts[shard]!.push(buffer.subarray(start, end));
  }

  #scan(buffer: Buffer, end: number, rows: RowPositions): number {
    try {
      return this.#scanner.scan(buffer, 0, end, rows);
    } catch (error) {
      if (error instanceof ReshardError && error.code === "COPY_MALFORMED") throw failure("22P04", "COPY file is malformed", { detail: error.message });
      throw error;
    }
  }

  /** The shard of a row, `EVERY` of a header, `NONE` of what is no row. */
  #shardAt(buffer: Buffer, start: number, end: number): number {
    if (this.#headerPending) {
      this.#headerPending = false;
      return EVERY;
    }
    this.#rows++;
    return this.#shardOfRow(buffer, start, end);
  }

  #shardOfTuple(buffer: Buffer, start: number): number {
    const position = fieldAt(buffer, start, this.#key.column);
    const length = fieldLength(buffer, position);
    return this.#shardOfBytes(length < 0 ? null : buffer.subarray(position + 4, position + 4 + length));
  }

  #shardOfLine(buffer: Buffer, start: number, end: number, format: LineFormat, nullText: Buffer): number {
    const lineEnd = withoutLineEnd(buffer, start, end);
    // Of csv it is a row since PostgreSQL 18, and an end before; with several columns it can only be an end.
    if (lineEnd - start === END_MARK.length && buffer.compare(END_MARK, 0, END_MARK.length, start, lineEnd) === 0 && (!format.csv || this.#key.columns > 1)) {
      this.#ended = true;
      return NONE;
    }
    const field = lineField(buffer, start, lineEnd, this.#key.column, format, nullText);
    // Any shard says so.
    if (field.kind === "missing") return 0;
    if (field.kind === "null") return this.#shardOfBytes(null);
    const { dataType } = this.#key.keySet;
    const bytes = dataType === "varchar" ? field.bytes : keyBytesOfText(dataType, field.bytes.toString("utf8"));
    if (bytes === undefined) throw failure("22P02", `invalid input syntax for type ${dataType}: ${JSON.stringify(field.bytes.toString("utf8", 0, 100))}`, { detail: this.#where() });
    return this.#shardOfBytes(bytes);
  }

  #shardOfBytes(bytes: Buffer | null): number {
    const { dataType } = this.#key.keySet;
    if (bytes !== null && dataType !== "varchar" && !(dataType === "uuid" ? [16] : [2, 4, 8]).includes(bytes.length)) {
      throw failure("22P03", "incorrect binary data format", { detail: this.#where() });
    }
    const shard = shardOfKey(this.#key.keySet, bytes);
    if (shard >= 0) return shard;
    const { reason, remedy } = noShard(bytes === null);
    throw failure("0A000", reason, { detail: this.#where(), hint: remedy });
  }

  #where(): string {
    return `In row ${this.#rows} of the COPY, column ${this.#key.column + 1}.`;
  }

  #keep(bytes: Buffer): void {
    const length = this.#keptBytes + bytes.length;
    if (length > MOST_ROW_BYTES) throw notYet("a row of more than 1 GB", "Send it in smaller rows.");
    if (length > this.#kept.length) {
      // Twice as much each time: a long row is copied twice at most, in however small pieces it comes.
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#keptBytes, length));
      this.#kept.copy(larger, 0, 0, this.#keptBytes);
      this.#kept = larger;
    }
    bytes.copy(this.#kept, this.#keptBytes);
    this.#keptBytes = length;
  }
}

const EVERY = -1;
const NONE = -2;
