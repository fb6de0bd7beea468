import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

/** Readable on white and on black alike. */
const COLOURS = ['#3b82c4', '#d97706', '#3f9d5c', '#b2609f', '#7c7c7c'];
/** Text and lines take the colour of the page's text: see STYLE. */
const INK = 'currentColor';
const STYLE =
  '<style>svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}</style>';

type Plots = Extract<TopLevelSpec, { concat: unknown }>['concat'];

/** An SVG for the docs, with so many plots in a row. */
export async function drawPlots(
  plots: Plots,
  { columns }: { readonly columns: number },
): Promise<string> {
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'transparent',
    columns,
    concat: plots,
    resolve: { scale: { color: 'independent' } },
    config: {
      font: 'sans-serif',
      view: { stroke: 'transparent' },
      axis: {
        labelColor: INK,
        titleColor: INK,
        domainColor: INK,
        tickColor: INK,
        gridColor: INK,
        gridOpacity: 0.15,
        labelFontSize: 11,
        titleFontSize: 12,
      },
      title: { color: INK, fontSize: 12, anchor: 'start' },
      legend: { labelColor: INK, titleColor: INK, labelFontSize: 11, labelLimit: 260 },
      range: { category: COLOURS },
    },
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg.replace(/^(<svg[^>]*>)/, `$1${STYLE}`);
}
