import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin'

/** Tells each survivor as it is found, counts by area in the end, and fails where an area is under its mark. */

const LEAST = 95
const AREAS = {
  encoding: /^shared\/(protocol\/(encoding|form|message)|bytes|base64url(\.node)?)\.ts$/,
  derivation: /^shared\/crypto\//,
  ticket: /^shared\/protocol\/(ticket|opened-tickets|grant)\.ts$/,
  caveats: /^shared\/protocol\/(caveats|path)\.ts$/,
  accept: /^shared\/protocol\/(accept|leg|ap)\.ts$/,
  replay: /^service\/replay-/,
  policy: /^(kdc\/policy|shared\/pattern)\.ts$/,
  expiry: /^kdc\/(lifetime|tgt)\.ts$/,
}

class AreasReporter {
  onMutantTested(mutant) {
    if (isSurvivor(mutant)) console.log(describe(mutant))
  }

  onMutationTestReportReady({ files }) {
    console.log('area | mutants | killed | timed out | survived | score')
    for (const [area, pattern] of Object.entries(AREAS)) {
      const mutants = Object.entries(files).flatMap(([path, file]) =>
        pattern.test(path) ? file.mutants : [],
      )
      const count = status => mutants.filter(mutant => mutant.status === status).length
      const [killed, late, left] = [count('Killed'), count('Timeout'), mutants.filter(isSurvivor).length]
      const all = killed + late + left
      if (all === 0) continue
      const score = (100 * (killed + late)) / all
      if (score < LEAST) process.exitCode = 1
      console.log([area, all, killed, late, left, `${score.toFixed(1)} %`].join(' | '))
    }
  }
}

function isSurvivor({ status }) {
  return status === 'Survived' || status === 'NoCoverage'
}

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

export const strykerPlugins = [declareClassPlugin(PluginKind.Reporter, 'areas', AreasReporter)]
