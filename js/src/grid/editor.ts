// One open editor: a native input that fits the column's type. It knows nothing of rows, tables or keys; `read` gives
// what the person typed as a value, or throws an Error that says what is wrong with it.

import type { Column, Value } from "../values";
import { editable, parse } from "./cells";
import { make } from "./element";

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** The id of a row stays; bytes are for programs. */
export function canEdit(column: Column): boolean {
  return column.type !== "bytes" && column.name !== "id";
}

export class Editor {
  readonly field: Field;
  #column: Column;
  #before: string;
  #zone = "Z"; // of a datetime: the native input has no place for it, so it is put back as it was

  /** Opens on `value`; or, when a person just started to type, on what they typed. */
  constructor(column: Column, value: Value | undefined, typed?: string) {
    this.#column = column;
    let text = editable(column, value);
    if (column.type === "datetime") {
      const parts = /^(.*?)(Z|[+-]\d\d:?\d\d)?$/.exec(text.replace(" ", "T"))!;
      text = (parts[1] ?? "").slice(0, 19);
      this.#zone = parts[2] ?? this.#zone;
    }
    this.field = fieldFor(column);
    this.field.setAttribute("aria-label", column.name);
    this.field.value = text;
    this.#before = this.field.value;
    if (typed !== undefined && !(this.field instanceof HTMLSelectElement)) {
      // Date inputs take no half-typed text and stay as they are.
      if (this.field.type === "text" || this.field instanceof HTMLTextAreaElement) this.field.value = typed;
    }
  }

  get changed(): boolean {
    return this.field.value !== this.#before;
  }

  focus(selectAll: boolean): void {
    this.field.focus({ preventScroll: true });
    if (selectAll && !(this.field instanceof HTMLSelectElement)) this.field.select();
  }

  read(): Value {
    const text = this.field.value;
    if (this.#column.type === "datetime" && text !== "") return parse(this.#column, `${text}${this.#zone}`);
    return parse(this.#column, text);
  }

  /** Why what stands there cannot be taken, or null; the field shows it. */
  check(): string | null {
    let sentence: string | null = null;
    try {
      this.read();
    } catch (error) {
      sentence = (error as Error).message;
    }
    this.field.setAttribute("aria-invalid", String(sentence !== null));
    return sentence;
  }
}

function fieldFor(column: Column): Field {
  switch (column.type) {
    case "choice": return select(column);
    case "date": return make("input", "ps-editor", { type: "date" });
    case "datetime": return make("input", "ps-editor", { type: "datetime-local", step: "1" });
    // type=number would turn "-" into nothing, and round what is beyond 2^53
    case "integer": return make("input", "ps-editor", { type: "text", inputmode: "numeric" });
    case "real": return make("input", "ps-editor", { type: "text", inputmode: "decimal" });
    default: return make("textarea", "ps-editor"); // an <input> would drop line breaks without a word
  }
}

function select(column: Column): HTMLSelectElement {
  const choices = [...(column.required ? [] : [""]), ...column.choices];
  const options = choices.map((choice) => make("option", "", { value: choice }, choice));
  return make("select", "ps-editor", {}, ...options);
}
