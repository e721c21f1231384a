import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { drawChart } from './chart.js'
import type { Report } from './figures.js'
import { formatReport } from './table.js'

/**
 * Puts the figures of one run (`--json`) into docs/performance.md, between its two marks, and draws
 * docs/performance.svg: `node dist/bench/report.js FIGURES.json`.
 */

const DOCUMENT = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
const CHART = fileURLToPath(new URL('../../docs/performance.svg', import.meta.url))
const [BEGIN, END] = ['<!-- figures: written by bench/report.ts -->', '<!-- end of figures -->']

async function write(path: string): Promise<void> {
  const report = JSON.parse(await readFile(path, 'utf8')) as Report
  const document = await readFile(DOCUMENT, 'utf8')
  await writeFile(DOCUMENT, replaceFigures(document, formatReport(report, 'markdown')))
  await writeFile(CHART, drawChart(report))
}

function replaceFigures(document: string, figures: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md has lost its marks: ${BEGIN} and ${END}`)
  return `${document.slice(0, begin)}${BEGIN}\n\n${figures}\n\n${document.slice(end)}`
}

const [path] = process.argv.slice(2)
if (path === undefined) {
  console.error('usage: node dist/bench/report.js FIGURES.json')
  process.exitCode = 2
} else {
  await write(path)
}
