import type { Group, Report, Row, Summary } from './figures.js'
import { environmentOf, formatSummary } from './table.js'

/** Draws the main figure of each row as a bar, with a whisker from the least to the most; one panel per group. */

const WIDTH = 960
const [BAR_LEFT, BAR_RIGHT] = [370, 770]
const [LINE, TITLE, MARGIN] = [22, 46, 16]
const COLOUR = {
  ORTHRUS: '#2f5d8a',
  PEER: '#b7b7b7',
  WHISKER: '#111111',
  TEXT: '#222222',
  PAPER: '#ffffff',
} as const

export function drawChart(report: Report): string {
  const panels: string[] = []
  let top = 3 * MARGIN
  for (const group of report.groups) {
    panels.push(panel(group, top))
    top += TITLE + LINE * group.rows.length + MARGIN
  }
  const [machine = ''] = environmentOf(report).split('; ', 1)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" font-family="sans-serif" font-size="12" role="img">`,
    '<title>What Orthrus costs, beside what else could be used</title>',
    `<rect width="${WIDTH}" height="${top}" fill="${COLOUR.PAPER}"/>`,
    text(MARGIN, 2 * MARGIN, `${machine}. Blue: Orthrus. Grey: others. Bar: median; whisker: least to most.`),
    ...panels,
    '</svg>',
    '',
  ].join('\n')
}

function panel(group: Group, top: number): string {
  const column = group.columns.find(({ key }) => key === group.main)
  const better = column?.better === 'more' ? 'more is better' : 'less is better'
  const figures = group.rows.map(row => row.figures[group.main])
  const most = Math.max(...figures.map(summary => summary?.most ?? 0))
  const title = text(
    MARGIN,
    top + TITLE - 14,
    `${group.title}: ${column?.title ?? ''} (${better})`,
    'font-weight="bold"',
  )
  const bars = group.rows.map((row, i) => bar(row, figures[i], most, top + TITLE + LINE * i))
  return [title, ...bars].join('\n')
}

function bar(row: Row, summary: Summary | undefined, most: number, top: number): string {
  if (summary === undefined || most <= 0) return ''
  const at = (value: number) => BAR_LEFT + ((BAR_RIGHT - BAR_LEFT) * value) / most
  const colour = row.peer === true ? COLOUR.PEER : COLOUR.ORTHRUS
  const middle = top + LINE / 2 - 2
  const [left, right] = [at(summary.least), at(summary.most)]
  return [
    text(BAR_LEFT - 8, middle + 4, row.name, 'text-anchor="end"'),
    rectangle(BAR_LEFT, top, Math.max(1, at(summary.median) - BAR_LEFT), colour),
    `<path d="M${point(left)} ${middle}H${point(right)}M${point(left)} ${middle - 3}v6M${point(right)} ${middle - 3}v6" stroke="${COLOUR.WHISKER}" fill="none"/>`,
    text(BAR_RIGHT + 10, middle + 4, formatSummary(summary)),
  ].join('\n')
}

function rectangle(left: number, top: number, width: number, colour: string): string {
  return `<rect x="${left}" y="${top}" width="${point(width)}" height="${LINE - 5}" fill="${colour}"/>`
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}" fill="${COLOUR.TEXT}" ${attributes}>${escapeXml(content)}</text>`
}

function point(value: number): string {
  return value.toFixed(1)
}

function escapeXml(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
}
