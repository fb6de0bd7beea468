/** Values as Grafana writes them, for the units that the dashboards use. */

const THOUSANDS = ['', ' K', ' Mil', ' Bil'];
const DURATIONS = [
  ['days', 86_400],
  ['hours', 3600],
  ['mins', 60],
  ['s', 1],
  ['ms', 0.001],
] as const;

function digits(value: number, decimals: number | undefined): string {
  const fitting =
    Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(decimals ?? fitting);
}

function short(value: number, decimals: number | undefined): string {
  let scaled = value;
  let at = 0;
  while (Math.abs(scaled) >= 1000 && at < THOUSANDS.length - 1) {
    scaled /= 1000;
    at += 1;
  }
  return `${digits(scaled, at === 0 ? decimals : undefined)}${THOUSANDS[at]}`;
}

export function formatted(value: number, unit: string, decimals?: number): string {
  switch (unit) {
    case 'percentunit':
      return `${digits(value * 100, decimals)}%`;
    case 'cps':
      return `${short(value, decimals)} c/s`;
    case 's': {
      const [name, seconds] = DURATIONS.find(([, each]) => Math.abs(value) >= each) ?? ['s', 1];
      return `${digits(value / seconds, decimals)} ${name}`;
    }
    default:
      return short(value, decimals);
  }
}
