// Names for rows and pages. 16 characters of 32 are 80 random bits: two people never mint the same row.

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // no i, l, o, u: read aloud in class without mistakes

export function mint(length = 16): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => ALPHABET[byte & 31]).join("");
}
