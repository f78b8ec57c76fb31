// JSON whose integers stay whole (S7): those beyond 2^53 are bigints here, and plain digits on the wire.
//
// JSON.parse makes doubles of them, and the reviver that sees the source is not in every browser yet. So a text with a
// long number is marked first; most texts have none, and are parsed as they are.

const LONG = /\d{16}/; // 2^53 has 16 digits
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const WHOLE = /^-?\d+$/;

// Nobody outside this page knows it, so nobody's text begins with it.
const MARK = `whole:${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16)).join("")}:`;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, "g");

export function parse(text: string): unknown {
  if (!LONG.test(text)) return JSON.parse(text);
  const marked = text.replace(TOKENS, (token) =>
    WHOLE.test(token) && !Number.isSafeInteger(Number(token)) ? `"${MARK}${token}"` : token,
  );
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === "string" && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value,
  );
}

/** Of plain data: what `plain` gives, or a frame. */
export function stringify(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has a bigint
    const marked = JSON.stringify(value, (_key, each: unknown) => (typeof each === "bigint" ? MARK + each.toString() : each));
    return marked.replace(MARKED, "$1");
  }
}

/** Bytes of it as UTF-8. */
export function bytes(text: string): number {
  return encoder.encode(text).length;
}

const encoder = new TextEncoder();
