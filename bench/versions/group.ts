import { type Group, type MeasuredRow, makeGroup, type Sample } from '../figures.js'
import { type Child, withChildren } from '../processes.js'
import type { Settings } from '../settings.js'
import type { BegunVersion, RoundOrder } from './process.js'

/** The same operations under several versions of Node, side by side. */

export const VERSIONS = 'versions'

const MODULE = './versions/process.js'

interface Measured extends BegunVersion {
  readonly child: Child
  readonly samples: ReadonlyMap<string, Sample[]>
}

export function measureVersions(settings: Settings): Promise<Group> {
  const nodes = [process.execPath, ...settings.nodes]
  return withChildren(
    nodes.map(node => ({ module: MODULE, node })),
    async (...children) => {
      const versions: Measured[] = []
      // One after the other: those that warm up at the same time would disturb each other.
      for (const child of children) {
        const begun = await child.ask<BegunVersion>('begin', settings)
        versions.push({ ...begun, child, samples: new Map(begun.rows.map(({ head }) => [head.id, []])) })
      }
      for (let round = 0; round < settings.rounds; round++) await measureRound(versions)
      return makeGroup(HEAD, rowsOf(versions))
    },
  )
}

/** Each row under all versions before the next row, so that a disturbance of the machine affects all of them. */
async function measureRound(versions: readonly Measured[]): Promise<void> {
  for (const { head } of versions[0]?.rows ?? []) {
    for (const { child, rows, samples } of versions) {
      const count = rows.find(row => row.head.id === head.id)?.count ?? 0
      samples
        .get(head.id)
        ?.push(await child.ask<Sample>('round', { id: head.id, count } satisfies RoundOrder))
    }
  }
}

function rowsOf(versions: readonly Measured[]): MeasuredRow[] {
  const [own, ...others] = versions
  return (own?.rows ?? []).flatMap(({ head: { id, name } }) => {
    const beside = `${id}.0`
    return [own, ...others].flatMap((version, at) => {
      const samples = version?.samples.get(id)
      if (version === undefined || samples === undefined) return []
      const head = { id: `${id}.${at}`, name: `${name}, ${version.version}` }
      return [{ head: at === 0 ? head : { ...head, beside }, samples }]
    })
  })
}

const HEAD = {
  id: VERSIONS,
  title: 'Other versions of Node',
  note:
    'The same operations as in the tables of presentations and of channels, each version in a process of its own, in ' +
    'turns. The version that runs the bench is the first of each.',
  columns: [
    { key: 'cpu', title: 'CPU, µs each', better: 'less' },
    { key: 'rate', title: 'per second', better: 'more' },
  ],
  main: 'cpu',
} as const
