// A menu, after the WAI-ARIA menu pattern, in the browser's top layer: no scroller of the page can cut it off.

import { make } from "./element";

export interface Item {
  readonly text: string;
  /** Undefined: a plain command. */
  readonly checked?: boolean;
  readonly disabled?: boolean;
  run(): void;
}

/** Open a menu under `anchor`. `closed` is called when it is gone, with whether something was chosen. */
export function openMenu(home: HTMLElement, anchor: DOMRect, label: string, items: readonly Item[], closed: () => void): void {
  const buttons = items.map((item) => {
    const role = item.checked === undefined ? "menuitem" : "menuitemcheckbox";
    const made = make("div", "ps-item", { role, tabindex: "-1" }, item.text);
    if (item.checked !== undefined) made.setAttribute("aria-checked", String(item.checked));
    if (item.disabled) made.setAttribute("aria-disabled", "true");
    made.addEventListener("click", () => choose(item));
    return made;
  });
  const menu = make("div", "ps-menu", { role: "menu", "aria-label": label, popover: "manual" }, ...buttons);
  let open = true;

  const close = () => {
    if (!open) return;
    open = false;
    document.removeEventListener("pointerdown", outside, true);
    menu.remove();
    closed();
  };
  const choose = (item: Item) => {
    if (item.disabled) return;
    close();
    item.run();
  };
  const outside = (event: Event) => {
    if (!event.composedPath().includes(menu)) close();
  };
  const step = (by: number, from?: number) => {
    const at = from ?? buttons.indexOf(focused(menu) as HTMLDivElement) + by;
    buttons[(at + buttons.length) % buttons.length]?.focus({ preventScroll: true });
  };

  menu.addEventListener("keydown", (event) => {
    switch (event.key) {
      case "ArrowDown": step(1); break;
      case "ArrowUp": step(-1); break;
      case "Home": step(0, 0); break;
      case "End": step(0, -1); break;
      case "Enter":
      case " ": {
        const item = items[buttons.indexOf(focused(menu) as HTMLDivElement)];
        if (item) choose(item);
        break;
      }
      case "Escape":
      case "Tab": close(); break;
      default: {
        const found = items.findIndex(({ text }) => text.toLowerCase().startsWith(event.key.toLowerCase()));
        if (found >= 0) step(0, found);
      }
    }
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener("pointerdown", outside, true);
  home.append(menu);
  menu.showPopover?.();
  stand(menu, anchor);
  step(0, 0);
}

/** Put a thing of the top layer below `anchor`, or above it where there is no room, and within the window. */
export function stand(thing: HTMLElement, anchor: DOMRect): void {
  const { width, height } = thing.getBoundingClientRect();
  const below = anchor.bottom + height <= innerHeight || anchor.top < height;
  thing.style.left = `${Math.max(4, Math.min(anchor.left, innerWidth - width - 4))}px`;
  thing.style.top = `${Math.max(4, below ? Math.min(anchor.bottom, innerHeight - height - 4) : anchor.top - height)}px`;
}

/** The element that has the focus, inside a shadow root too. */
export function focused(near: Node): Element | null {
  return (near.getRootNode() as Document | ShadowRoot).activeElement;
}
