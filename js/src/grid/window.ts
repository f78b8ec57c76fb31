// Which rows are in sight, and where they stand. Only those are drawn, so 100,000 rows cost what 15 do.
//
// Browsers stop growing an element near 17.8 million px (Firefox; Chromium at 33.5). Beyond TALLEST the scroll bar is
// scaled: one pixel of it then stands for more than one pixel of rows.

export const ROW = 28; // px; grid.css knows it as --ps-row
const TALLEST = 8_000_000; // px
const SPARE = 4; // rows drawn beyond each edge, so that a small scroll shows no gap

export class Window {
  /** Of the element that holds the rows, in px. */
  readonly height: number;
  /** The first row drawn, and the one after the last. */
  readonly first: number;
  readonly end: number;

  #view: number;
  #top: number;
  #scale: number;

  /** `rows` in all, `view` px of room for them, scrolled to `top`. */
  constructor(rows: number, view: number, top: number) {
    const full = rows * ROW;
    this.height = Math.min(full, TALLEST);
    this.#view = view;
    this.#top = Math.max(0, Math.min(top, this.height - view));
    this.#scale = full > TALLEST ? (full - view) / (this.height - view) : 1;
    const start = this.#top * this.#scale;
    this.first = Math.max(0, Math.floor(start / ROW) - SPARE);
    this.end = Math.min(rows, Math.ceil((start + view) / ROW) + SPARE);
  }

  /** How far row `index` stands below the upper edge of what is in sight. */
  offset(index: number): number {
    return index * ROW - this.#top * this.#scale;
  }

  /** Where to scroll so that row `index` is wholly in sight; the nearest such place. */
  reveal(index: number): number {
    const start = this.#top * this.#scale;
    if (index * ROW < start) return (index * ROW) / this.#scale;
    const needed = (index + 1) * ROW - this.#view;
    return needed > start ? needed / this.#scale : this.#top;
  }
}
