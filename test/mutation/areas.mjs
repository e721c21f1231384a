import { declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin'

/** Counts mutants by area, lists the survivors, and fails the run where an area falls under its mark. */

const LEAST = 95
const AREAS = {
  encoding: /^shared\/(protocol\/(encoding|form|message)|bytes)\.ts$/,
  derivation: /^shared\/crypto\//,
  ticket: /^shared\/protocol\/(ticket|opened-tickets|grant)\.ts$/,
  caveats: /^shared\/protocol\/(caveats|path)\.ts$/,
  accept: /^shared\/protocol\/(accept|leg|ap)\.ts$/,
  replay: /^service\/replay-/,
  policy: /^(kdc\/policy|shared\/pattern)\.ts$/,
  expiry: /^kdc\/(lifetime|tgt)\.ts$/,
}

class AreasReporter {
  onMutationTestReportReady({ files }) {
    for (const [path, { source, mutants }] of Object.entries(files)) {
      for (const mutant of mutants.filter(isSurvivor)) console.log(describe(path, source, mutant))
    }
    console.log('area | mutants | killed | timed out | survived | score')
    for (const [area, pattern] of Object.entries(AREAS)) {
      const mutants = Object.entries(files).flatMap(([path, file]) =>
        pattern.test(path) ? file.mutants : [],
      )
      if (mutants.length === 0) continue
      const count = status => mutants.filter(mutant => mutant.status === status).length
      const [killed, late, left] = [count('Killed'), count('Timeout'), mutants.filter(isSurvivor).length]
      const score = (100 * (killed + late)) / (killed + late + left)
      if (score < LEAST) process.exitCode = 1
      console.log([area, killed + late + left, killed, late, left, `${score.toFixed(1)} %`].join(' | '))
    }
  }
}

function isSurvivor({ status }) {
  return status === 'Survived' || status === 'NoCoverage'
}

/** `file:line:column mutator, before -> after`, on one line. */
function describe(path, source, { location, mutatorName, replacement, status }) {
  const lines = source.split('\n').slice(location.start.line - 1, location.end.line)
  lines[lines.length - 1] = lines.at(-1).slice(0, location.end.column - 1)
  lines[0] = lines[0].slice(location.start.column - 1)
  const before = lines.map(line => line.trim()).join(' ')
  const place = `${path}:${location.start.line}:${location.start.column}`
  return `${place} ${status} ${mutatorName}: ${before.slice(0, 120)} -> ${replacement.replace(/\s+/g, ' ')}`
}

export const strykerPlugins = [declareClassPlugin(PluginKind.Reporter, 'areas', AreasReporter)]
