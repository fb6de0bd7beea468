import { eastAsianWidth } from 'get-east-asian-width';

/**
 * Names come from strangers, and a terminal obeys what it is told: control characters, which begin
 * escape sequences, and those that turn the direction of text around become a mark that is none.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const MARK = '\u{fffd}';
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
const COMBINING = /^\p{M}$/u;
const CUT = '…';

export function plain(text: string): string {
  return PRINTABLE_ASCII.test(text) ? text : text.replaceAll(UNSAFE, MARK).normalize('NFC');
}

/** Columns that a terminal takes for plain text: none for accents, two for wide characters (UAX #11). */
export function widthOf(text: string): number {
  if (PRINTABLE_ASCII.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += widthOfCharacter(character);
  return columns;
}

/** Exactly so many columns: what is longer loses its middle, since pods differ at the end. */
export function fit(text: string, columns: number): string {
  const width = widthOf(text);
  if (width <= columns) return text + ' '.repeat(columns - width);
  if (columns < 1) return '';
  const headColumns = Math.ceil((columns - 1) / 2);
  const characters = Array.from(text);
  const head = taken(characters, headColumns).join('');
  const tail = taken(characters.toReversed(), columns - 1 - headColumns)
    .toReversed()
    .join('');
  const cut = `${head}${CUT}${tail}`;
  return cut + ' '.repeat(columns - widthOf(cut));
}

/** Exactly so many columns: what is longer loses its end, as befits prose. */
export function clip(text: string, columns: number): string {
  if (widthOf(text) <= columns) return fit(text, columns);
  return fit(`${taken(Array.from(text), columns - 1).join('')}${CUT}`, columns);
}

/** The first characters that fit. */
function taken(characters: readonly string[], columns: number): readonly string[] {
  let left = columns;
  const end = characters.findIndex((character) => (left -= widthOfCharacter(character)) < 0);
  return end < 0 ? characters : characters.slice(0, end);
}

function widthOfCharacter(character: string): number {
  return COMBINING.test(character) ? 0 : eastAsianWidth(character.codePointAt(0) ?? 0);
}
