import type { Column, Group, Report, Row, Summary } from './figures.js'

/** The report as Markdown tables; as `text` their columns are aligned. */
export function formatReport(report: Report, form: 'text' | 'markdown'): string {
  const parts = report.groups.flatMap(group => [
    '',
    `### ${group.title}`,
    '',
    wrap(group.note),
    '',
    ...table(group, form),
  ])
  return [wrap(environmentOf(report)), ...parts].join('\n')
}

/** Breaks prose into lines of at most 120 characters. The rows of tables are as long as they are. */
function wrap(text: string): string {
  return text.replace(/(?=.{121})(.{1,120}) /g, '$1\n')
}

/** The machine, and how much was measured. */
export function environmentOf(report: Report): string {
  const { date, node, platform, processor, cores, load, rounds, seconds, quick } = report
  const lines = [
    `${date}, node ${node}, ${platform}, ${cores} cores (${processor}); ${rounds} round${rounds === 1 ? '' : 's'}, ` +
      `${Math.round(seconds)} s in all, a load average of ${load.toFixed(1)} before. Each figure is the median of the rounds, with the least and the most.`,
  ]
  if (quick) lines.push('A quick run, to see that it runs: its figures mean nothing.')
  return lines.join('\n')
}

function table(group: Group, form: 'text' | 'markdown'): string[] {
  const hasRatios = group.rows.some(row => row.ratio !== undefined)
  const heads = ['', ...group.columns.map(column => column.title), ...(hasRatios ? [ratioTitle(group)] : [])]
  const rows = group.rows.map(row => [
    row.peer === true ? `*${row.name}*` : row.name,
    ...group.columns.map(column => cellOf(row, column)),
    ...(hasRatios ? [ratioOf(row, group)] : []),
  ])
  const widths = heads.map((_, i) => Math.max(...[heads, ...rows].map(cells => (cells[i] ?? '').length), 3))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (form === 'text' ? cell.padEnd(widths[i] ?? 0) : cell)).join(' | ')} |`
  const rule = heads.map((_, i) => (form === 'text' ? '-'.repeat(widths[i] ?? 3) : '---'))
  return [heads, rule, ...rows].map(line)
}

function ratioTitle({ columns, main }: Group): string {
  const title = columns.find(column => column.key === main)?.title ?? main
  return `ratio of ${title.split(',', 1)[0]}`
}

function ratioOf({ ratio, beside }: Row, { rows }: Group): string {
  if (ratio === undefined) return ''
  const name = rows.find(row => row.id === beside)?.name ?? ''
  return `${formatSummary(ratio)} × ${name}`
}

function cellOf(row: Row, column: Column): string {
  const summary = row.figures[column.key]
  return summary === undefined ? '' : formatSummary(summary)
}

export function formatSummary({ median, least, most }: Summary): string {
  return least === most
    ? formatNumber(median)
    : `${formatNumber(median)} (${formatNumber(least)}–${formatNumber(most)})`
}

/** Three significant digits. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '?'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  const digits = Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 || value === 0 ? 2 : 3
  return value.toFixed(digits)
}
