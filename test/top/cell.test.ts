import { assert, integer, property, string } from 'fast-check';
import t from 'tap';
import { clip, fit, plain, widthOf } from '../../src/top/cell.ts';

t.test('plain() takes from a name what a terminal would obey', async (t) => {
  t.equal(plain('shop/web-0'), 'shop/web-0');
  t.equal(plain('a\x1b[2Jb'), 'a\u{fffd}[2Jb');
  t.equal(plain('a\u009b2Jb\r\n'), 'a\u{fffd}2Jb\u{fffd}\u{fffd}');
  t.equal(plain('a\u202eb\u2028c\ud800'), 'a\u{fffd}b\u{fffd}c\u{fffd}');
  t.equal(plain('büro/日本'), 'büro/日本');
});

t.test('no text is more than text for a terminal', async () => {
  assert(property(string({ unit: 'binary' }), (text) => !/[\p{C}\u2028\u2029]/u.test(plain(text))));
});

t.test('widthOf() counts columns and not characters', async (t) => {
  t.equal(widthOf('web'), 3);
  t.equal(widthOf('日本'), 4);
  t.equal(widthOf('e\u0301'), 1);
  t.equal(widthOf('…'), 1);
});

t.test('fit() pads, and cuts the middle of what is too long', async (t) => {
  t.equal(fit('web', 5), 'web  ');
  t.equal(fit('web-6d4f9-x2x1p', 9), 'web-…2x1p');
  t.equal(fit('日本日本', 6), '日…本 ');
  t.equal(fit('web', 1), '…');
  t.equal(fit('web', 0), '');
});

t.test('clip() cuts the end of what is too long', async (t) => {
  t.equal(clip('two words', 6), 'two w…');
  t.equal(clip('two', 6), 'two   ');
});

t.test('whatever is fitted or clipped has exactly the columns that were asked for', async () => {
  const anyText = string({ unit: 'grapheme' });
  assert(
    property(anyText, integer({ min: 0, max: 40 }), (text, columns) =>
      [fit, clip].every((cut) => widthOf(cut(plain(text), columns)) === columns),
    ),
  );
});
