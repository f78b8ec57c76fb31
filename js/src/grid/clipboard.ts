// Ranges as tab-separated text, to and from a spreadsheet; and what a paste would do, checked cell by cell before anything
// is done: it is one mutation, or it is nothing and says which cells are wrong.

import { dsvFormat } from "d3-dsv";
import type { RowEdit } from "../table";
import type { Column, Row, Value, Values } from "../values";
import { editable, initial, parse } from "./cells";

const tsv = dsvFormat("\t");
const TOLD = 4; // problems; the others are counted

export function toText(rows: readonly (Row | undefined)[], columns: readonly Column[]): string {
  const text = tsv.formatRows(rows.map((row) => columns.map((column) => editable(column, row?.[column.name]))));
  return text === "" || text.endsWith("\n") ? `${text}\n` : text; // else a last line without text would be no line
}

/** The cells of a text. A line break at its very end ends the last line; it does not begin one more. */
export function fromText(text: string): string[][] {
  return tsv.parseRows(text.replace(/\r\n?/g, "\n"));
}

export interface Target {
  /** The visible columns from the left edge of the selection on. */
  readonly columns: readonly Column[];
  /** All columns of the table. */
  readonly all: readonly Column[];
  /** The rows from the top of the selection to the end of what is needed of them. */
  readonly rows: readonly Row[];
  /** How many rows and columns are selected. */
  readonly height: number;
  readonly width: number;
  /** The number of the first row, as people count. */
  readonly number: number;
  /** Whether the room takes new rows. */
  readonly grows: boolean;
}

export interface Plan {
  readonly edits: readonly RowEdit[];
  /** Sentences; when there are any, there are no edits. */
  readonly problems: readonly string[];
  readonly height: number;
  readonly width: number;
}

/** How many rows a paste of `block` into a selection of this height reaches. */
export function reach(block: readonly (readonly string[])[], height: number): number {
  return height % block.length === 0 ? height : block.length;
}

/** What pasting `block` would do. A block that fits several times into the selection fills it. */
export function planPaste(block: readonly (readonly string[])[], target: Target): Plan {
  const blockWidth = Math.max(...block.map((line) => line.length));
  const width = target.width % blockWidth === 0 ? target.width : blockWidth;
  const height = reach(block, target.height);
  const problems: string[] = [];
  if (width > target.columns.length) {
    const from = target.columns[0]?.name ?? "";
    problems.push(`What you paste has ${count(blockWidth, "column")}; from ${from} on the table has ${target.columns.length}.`);
    return { edits: [], problems, height, width };
  }
  const columns = target.columns.slice(0, width);
  const edits: RowEdit[] = [];
  for (let i = 0; i < height; i++) {
    const line = block[i % block.length]!;
    const row = target.rows[i];
    const place = `Row ${target.number + i}${row ? "" : " (new)"}`;
    const values: Record<string, Value> = {};
    columns.forEach((column, c) => {
      const text = line[c % blockWidth];
      if (text === undefined) {
        problems.push(`${place} has ${count(line.length, "cell")} where the others have ${blockWidth}.`);
        return;
      }
      try {
        define(values, column.name, read(column, text));
      } catch (error) {
        problems.push(`${place}, ${column.name}: ${(error as Error).message}`);
      }
    });
    if (row) edits.push({ update: row.id, values });
    else if (!target.grows) problems.push(`${place}: this room takes no new rows.`);
    else edits.push({ insert: complete(values, target, columns, place, problems) });
  }
  return { edits: problems.length ? [] : edits, problems, height, width };
}

/** A new row out of what was pasted: a column that must have a value has to be among the pasted ones. */
function complete(values: Values, target: Target, pasted: readonly Column[], place: string, problems: string[]): Values {
  const lacking = target.all.filter((column) => column.required && !column.filled && column.name !== "id" && !pasted.includes(column));
  for (const { name } of lacking) problems.push(`${place}: ${name} must have a value, and what you paste has no column for it.`);
  return values;
}

function read(column: Column, text: string): Value {
  if (column.name === "id") throw new Error("the id of a row cannot be written.");
  if (column.type === "bytes") throw new Error("bytes cannot be pasted.");
  return parse(column, text);
}

/** What emptying cells would do. */
export function planClear(rows: readonly Row[], columns: readonly Column[]): Plan {
  const problems: string[] = [];
  const values: Record<string, Value> = {};
  for (const column of columns) {
    if (column.name === "id") problems.push("The id of a row cannot be emptied.");
    else if (!column.required) define(values, column.name, null);
    else if (column.type === "text") define(values, column.name, "");
    else problems.push(`${column.name} cannot be empty.`);
  }
  const edits = problems.length ? [] : rows.map((row) => ({ update: row.id, values }));
  return { edits, problems, height: rows.length, width: columns.length };
}

/** What copying the first row's cells into the others would do. */
export function planFill(rows: readonly Row[], columns: readonly Column[]): Plan {
  const [first, ...others] = rows;
  const values: Record<string, Value> = {};
  const problems = columns.some(({ name }) => name === "id") ? ["The id of a row cannot be written."] : [];
  if (first) for (const { name } of columns) define(values, name, first[name] ?? null);
  const edits = problems.length ? [] : others.map((row) => ({ update: row.id, values }));
  return { edits, problems, height: rows.length, width: columns.length };
}

/** A copy of a row, without its id. */
export function duplicate(row: Row, columns: readonly Column[]): RowEdit {
  const values: Record<string, Value> = {};
  for (const { name } of columns) if (name !== "id") define(values, name, row[name] ?? null);
  return { insert: values };
}

/** A new row with what it must have. */
export function blankRow(columns: readonly Column[], now: Date): RowEdit {
  const values: Record<string, Value> = {};
  for (const column of columns) {
    if (column.required && !column.filled && column.name !== "id") define(values, column.name, initial(column, now));
  }
  return { insert: values };
}

/** Some problems as one text. */
export function told(problems: readonly string[]): string {
  const more = problems.length - TOLD;
  return problems.slice(0, TOLD).join(" ") + (more > 0 ? ` And ${more} more.` : "");
}

export function count(number: number, word: string): string {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

/** Set a property of its own whatever its name is: a column may be called `__proto__`. */
function define(values: Record<string, Value>, name: string, value: Value): void {
  Object.defineProperty(values, name, { value, enumerable: true, configurable: true, writable: true });
}
