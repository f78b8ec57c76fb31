// The help sheet: every key, out of the table that says what keys do.

import { button, make } from "./element";
import { CLIPBOARD, SHORTCUTS } from "./keys";

const MARKS: [mark: string, means: string][] = [
  ["ps-pending", "yours, and not yet decided by the room"],
  ["ps-rejected", "refused: select the cell to see why, and to try again"],
  ["ps-draft", "somebody is typing, or has written and the room has not decided"],
  ["ps-peer", "somebody else is at this cell"],
];

export function openHelp(home: HTMLElement, closed: () => void): void {
  const close = button("ps-help-close", "Close");
  const groups = SHORTCUTS.map(({ title, keys }) => {
    const all = title === "Edit" ? [...keys, CLIPBOARD] : keys;
    const lines = all.flatMap(({ chords, help }) => [
      make("dt", "", {}, ...chords.flatMap((chord, i) => [...(i ? [" "] : []), make("kbd", "", {}, pretty(chord))])),
      make("dd", "", {}, help),
    ]);
    return make("section", "", {}, make("h3", "", {}, title), make("dl", "", {}, ...lines));
  });
  const marks = MARKS.flatMap(([mark, means]) => [make("dt", "", {}, make("span", `ps-sample ${mark}`, {}, "value")), make("dd", "", {}, means)]);
  const legend = make("section", "", {}, make("h3", "", {}, "What the marks say"), make("dl", "", {}, ...marks));
  const sheet = make("dialog", "ps-help", { "aria-label": "Help" },
    make("div", "ps-help-head", {}, make("h2", "", {}, "This table"), close), make("div", "ps-help-body", {}, ...groups, legend));
  close.addEventListener("click", () => sheet.close());
  sheet.addEventListener("keydown", (event) => event.stopPropagation()); // nothing of it is the notebook's
  sheet.addEventListener("close", () => {
    sheet.remove();
    closed();
  });
  home.append(sheet);
  sheet.showModal();
}

const ARROWS: Record<string, string> = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };

function pretty(chord: string): string {
  const mac = /Mac|iP(hone|ad)/.test(navigator.platform);
  const [key, ...modifiers] = chord.split("+").reverse();
  return [...modifiers.reverse().map((each) => (each === "Ctrl" && mac ? "⌘" : each)), ARROWS[key!] ?? key].join(" ");
}
