import t from 'tap';
import { pressed, type Key, type View } from '../../src/top/view.ts';

const VIEW: View = {
  by: 'edge',
  sort: 'active',
  isReversed: false,
  filter: '',
  isTyping: false,
  isPaused: false,
  isHelp: false,
  offset: 0,
};
const SHOWN = { sorts: ['name', 'active', 'idle'], rowsTotal: 50, pageRows: 20 } as const;

const named = (name: string): Key => ({ name, sequence: '' });
const text = (sequence: string): Key => ({ sequence });

/** The view after these keys; undefined when one of them quits. */
function after(keys: readonly Key[], view: View = VIEW): View | undefined {
  let last: View | undefined = view;
  for (const key of keys) last &&= pressed(last, key, SHOWN);
  return last;
}

t.test('q and Ctrl-C quit, the latter also while a filter is typed', async (t) => {
  const ctrlC = { name: 'c', ctrl: true, sequence: '\x03' };
  t.equal(after([text('q')]), undefined);
  t.equal(after([ctrlC]), undefined);
  t.equal(after([text('/'), ctrlC]), undefined);
  t.equal(after([text('h'), text('q')]), undefined);
  t.match(after([text('/'), text('q')]), { filter: 'q' });
});

t.test('arrows and s go through the columns, and around', async (t) => {
  t.match(after([named('right')]), { sort: 'idle' });
  t.match(after([text('s'), text('s')]), { sort: 'name' });
  t.match(after([named('left'), named('left')]), { sort: 'idle' });
  t.match(after([text('n')]), { sort: 'name' });
});

t.test('a column that is gone is left for the first or the last one', async (t) => {
  const view: View = { ...VIEW, sort: 'leak-score' };
  t.match(after([named('right')], view), { sort: 'name' });
});

t.test('r reverses, and another column begins with the largest again', async (t) => {
  t.match(after([text('r')]), { isReversed: true });
  t.match(after([text('r'), text('r')]), { isReversed: false });
  t.match(after([text('r'), text('s')]), { isReversed: false });
});

t.test('b changes what a row is', async (t) => {
  t.match(after([text('b')]), { by: 'workload' });
  t.match(after(Array.from({ length: 5 }, () => text('b'))), { by: 'edge' });
});

t.test('a filter is live while it is typed; Enter keeps it, Esc clears it', async (t) => {
  const typed = [text('/'), text('w'), text('e')];
  t.match(after(typed), { filter: 'we', isTyping: true });
  t.match(after([...typed, named('backspace')]), { filter: 'w' });
  t.match(after([...typed, named('return')]), { filter: 'we', isTyping: false });
  t.match(after([...typed, named('return'), named('escape')]), { filter: '' });
  t.match(after([...typed, named('escape')]), { filter: '', isTyping: false });
  t.match(after([...typed, { name: 'u', ctrl: true, sequence: '\x15' }]), { filter: '' });
});

t.test('a filter takes no control characters, and not more than 200', async (t) => {
  t.match(after([text('/'), text('\x1b[200~')]), { filter: '' });
  t.equal(after([text('/'), text('x'.repeat(300))])?.filter.length, 200);
});

t.test('space pauses and goes on, h shows the help until the next key', async (t) => {
  t.match(after([text(' ')]), { isPaused: true });
  t.match(after([text(' '), text(' ')]), { isPaused: false });
  t.match(after([text('h')]), { isHelp: true });
  t.match(after([text('?'), text('r')]), { isHelp: false, isReversed: false });
});

t.test('rows are scrolled, but never beyond the last', async (t) => {
  t.match(after([named('down'), named('down'), named('up')]), { offset: 1 });
  t.match(after([named('up')]), { offset: 0 });
  t.match(after([named('pagedown'), named('pagedown')]), { offset: 30 });
  t.match(after([named('pagedown'), named('pageup')]), { offset: 0 });
  t.match(after([named('down'), text('s')]), { offset: 0 });
});

t.test('any other key changes nothing', async (t) => {
  t.strictSame(after([text('z'), named('f5'), {}]), VIEW);
});
