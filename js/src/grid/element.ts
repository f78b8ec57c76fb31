// Makes elements. Text is set with textContent alone: what people write into a table is never markup.

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, className: string, attributes: Record<string, string> = {}, ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A button that does not submit anything, and that Tab skips when `tabindex` says so. */
export function button(className: string, text: string, attributes: Record<string, string> = {}): HTMLButtonElement {
  return make("button", className, { type: "button", ...attributes }, text);
}
