// The first rows as they were when the widget was made, in sight until the kernel has spoken: at once in a notebook that
// opens slowly, and for good in one that has no kernel. Where they stand as an output of their own, they go.

import type { LiveTable } from "../table";
import { make } from "./element";

export interface Preview {
  readonly key: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly more: number;
}

export function drawPreview(table: LiveTable, preview: Preview | null, el: HTMLElement, signal: AbortSignal): void {
  if (!preview) return;
  for (const output of plain(preview)) output.hidden = true;
  if (table.ready) return;
  const drawn = draw(preview, el, signal);
  signal.addEventListener("abort", table.subscribe(() => {
    if (table.ready) drawn.remove();
  }));
}

/** In a notebook that was saved with its widgets, where no kernel will ever speak: the rows, once, and no grid. */
export function drawSaved(preview: Preview | null, el: HTMLElement, signal: AbortSignal): void {
  if (preview && plain(preview).length === 0) draw(preview, el, signal);
}

function plain(preview: Preview): HTMLElement[] {
  const all = [...document.querySelectorAll<HTMLElement>(".partysync-preview")];
  return all.filter((output) => output.dataset["key"] === preview.key);
}

function draw(preview: Preview, el: HTMLElement, signal: AbortSignal): HTMLElement {
  const head = make("tr", "", {}, ...preview.columns.map((name) => make("th", "", { scope: "col" }, name)));
  const rows = preview.rows.map((row) => make("tr", "", {}, ...row.map((text) => make("td", "", {}, text))));
  const drawn = make("table", "ps-preview", {}, make("thead", "", {}, head), make("tbody", "", {}, ...rows));
  if (preview.more > 0) drawn.append(make("caption", "", {}, `… and ${preview.more.toLocaleString("en")} more rows`));
  signal.addEventListener("abort", () => drawn.remove());
  el.append(drawn);
  return drawn;
}
