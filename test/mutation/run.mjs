import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { Stryker } from '@stryker-mutator/core'

/**
 * Mutates area by area (`areas.json`), all of them or those named as arguments, tells each survivor, and fails where
 * an area is under its mark. `--incremental` takes over what the last run found, where nothing has changed since.
 */

const LEAST = 95
const areas = JSON.parse(readFileSync(new URL('areas.json', import.meta.url), 'utf8'))
const named = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
const incremental = process.argv.includes('--incremental')
const rows = ['area | mutants | killed | timed out | survived | score']

for (const area of named.length === 0 ? Object.keys(areas) : named) {
  process.env.ORTHRUS_MUTATION_AREA = area
  const stryker = new Stryker({
    configFile: 'test/mutation/stryker.config.json',
    mutate: areas[area].sources,
    jsonReporter: { fileName: `coverage/mutation/${area}.json` },
    incremental,
    incrementalFile: `coverage/mutation/${area}.incremental.json`,
  })
  const mutants = await stryker.runMutationTest()
  const left = mutants.filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
  const count = wanted => mutants.filter(({ status }) => status === wanted).length
  const [killed, late] = [count('Killed'), count('Timeout')]
  const score = (100 * (killed + late)) / (killed + late + left.length)
  if (!(score >= LEAST)) process.exitCode = 1
  for (const mutant of left) console.log(describe(mutant))
  rows.push(
    [area, killed + late + left.length, killed, late, left.length, `${score.toFixed(1)} %`].join(' | '),
  )
}
console.log(rows.join('\n'))

/** `file:line:column status mutator: before -> after`, on one line. */
function describe({ fileName, location: { start, end }, mutatorName, replacement, status }) {
  const lines = readFileSync(fileName, 'utf8')
    .split('\n')
    .slice(start.line - 1, end.line)
  lines[lines.length - 1] = lines.at(-1).slice(0, end.column - 1)
  lines[0] = lines[0].slice(start.column - 1)
  const before = lines.map(line => line.trim()).join(' ')
  const after = replacement.replace(/\s+/g, ' ')
  const place = `${relative('.', fileName)}:${start.line}:${start.column}`
  return `${place} ${status} ${mutatorName}: ${before.slice(0, 120)} -> ${after.slice(0, 120)}`
}
