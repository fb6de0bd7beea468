/* In the browser: draws what the page says with uPlot, in Grafana's classic colours. */
const COLORS = [
  '#73bf69',
  '#f2cc0c',
  '#8ab8ff',
  '#ff780a',
  '#f2495c',
  '#5794f2',
  '#b877d9',
  '#705da0',
  '#37872d',
  '#fade2a',
  '#56a64b',
  '#ffb357',
  '#c0d8ff',
];
const NAMED = { green: '#73bf69', orange: '#ff9830', red: '#f2495c' };
const GRID = { stroke: '#2c3235', width: 1 };

function scaled(value, unit) {
  if (unit === 'percentunit') return `${+(value * 100).toPrecision(3)}%`;
  if (unit === 's')
    return value !== 0 && Math.abs(value) < 1
      ? `${+(value * 1000).toPrecision(3)} ms`
      : `${+value.toPrecision(3)} s`;
  return Math.abs(value) >= 1000
    ? `${+(value / 1000).toPrecision(3)} K`
    : String(+value.toPrecision(3));
}

/** Each line on top of those before it. */
function stack(lines) {
  const sums = lines[0]?.values.map(() => 0) ?? [];
  return lines.map(({ name, values }) => ({
    name,
    values: values.map((value, at) => (sums[at] += value ?? 0)),
  }));
}

function draw(box) {
  const { kind, times, lines, unit, stacked, fill = 8, color } = JSON.parse(box.dataset.plot);
  if (times.length === 0) return;
  const isSpark = kind === 'spark';
  const colored = lines.map((line, at) => ({
    ...line,
    color: isSpark ? NAMED[color] : COLORS[at % COLORS.length],
  }));
  const shown = stacked
    ? stack(lines)
        .map((line, at) => ({ ...colored[at], ...line }))
        .toReversed()
    : colored;
  const opacity = Math.round((isSpark ? 20 : fill) * 2.55)
    .toString(16)
    .padStart(2, '0');
  const legend = document.createElement('div');
  if (!isSpark) {
    legend.className = 'legend';
    for (const line of colored) {
      const item = document.createElement('span');
      item.style.setProperty('--color', line.color);
      item.textContent = line.name;
      legend.append(item);
    }
    box.after(legend);
  }
  const height = box.parentElement.clientHeight - box.offsetTop - legend.offsetHeight - 6;
  const axis = { stroke: '#ccccdc', grid: GRID, ticks: GRID, font: '12px Inter, sans-serif' };
  const { root } = new uPlot(
    {
      width: box.clientWidth,
      height: isSpark ? 40 : height,
      padding: isSpark ? [2, 0, 0, 0] : [8, 12, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      axes: isSpark
        ? [{ show: false }, { show: false }]
        : [
            { ...axis, values: '{HH}:{mm}' },
            {
              ...axis,
              size: 60,
              values: (_plot, ticks) => ticks.map((tick) => scaled(tick, unit)),
            },
          ],
      // Between a line and the one below it.
      bands: stacked ? shown.slice(1).map((_line, at) => ({ series: [at + 1, at + 2] })) : [],
      scales: {
        y: {
          range: (_plot, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1],
        },
      },
      series: [
        {},
        ...shown.map((line) => ({
          stroke: line.color,
          width: isSpark ? 1 : 2,
          points: { show: false },
          fill: `${line.color}${opacity}`,
        })),
      ],
    },
    [times, ...shown.map(({ values }) => values)],
  );
  box.append(root);
}

for (const box of document.querySelectorAll('[data-plot]')) draw(box);
