import type pg from "pg";
import type { Random } from "./random.js";

const TABLES = ["users", "orders", "documents", "products", "tags"] as const;

/** A table whose rows are numbered by a sequence. */
export type NumberedTable = (typeof TABLES)[number];

/** How far the ids of the numbered tables reach, so that random ones hit rows: old ones mostly, new ones often enough. */
export class IdRanges {
  readonly #client: pg.Client;
  readonly #atStart = new Map<NumberedTable, number>();
  readonly #greatest = new Map<NumberedTable, number>();

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async of(client: pg.Client): Promise<IdRanges> {
    const ranges = new IdRanges(client);
    await ranges.refresh();
    for (const table of TABLES) ranges.#atStart.set(table, ranges.#greatest.get(table)!);
    return ranges;
  }

  /** Reads again how far the ids reach. */
  async refresh(): Promise<void> {
    for (const table of TABLES) {
      const { rows } = await this.#client.query<{ greatest: string | null }>(`SELECT max(id) AS greatest FROM ${table}`);
      this.#greatest.set(table, Number(rows[0]?.greatest ?? 1));
    }
  }

  /** An id to look for the first row at or after; one in four is of those that came since the start. */
  somewhere(table: NumberedTable, random: Random): number {
    const start = this.#atStart.get(table)!;
    const greatest = this.#greatest.get(table)!;
    return greatest > start && random.fraction() < 0.25 ? random.integer(start + 1, greatest) : random.integer(1, greatest);
  }
}
