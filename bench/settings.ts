import { parseArgs } from 'node:util'

/** How much is measured. */
export interface Settings {
  /** How many times each figure is measured; the median counts. */
  readonly rounds: number
  /** About how long one round of one row takes. */
  readonly seconds: number
  /** How long each row runs before it is measured. */
  readonly warmUpSeconds: number
  /** A smoke test: one short round and small numbers. Its figures mean nothing. */
  readonly quick: boolean
  /** With a million principals too. */
  readonly full: boolean
  /** Other versions of Node to measure beside this one: paths of their programs. */
  readonly nodes: readonly string[]
}

/** What was asked for on the command line. */
export interface Order {
  readonly settings: Settings
  readonly output: 'text' | 'json' | 'markdown'
  /** Groups by their names; all where there are none. */
  readonly only: readonly string[]
}

const NORMAL = { rounds: 5, seconds: 0.4, warmUpSeconds: 2 } as const
const QUICK = { rounds: 1, seconds: 0.02, warmUpSeconds: 0 } as const

/** @throws TypeError for an unknown option */
export function readOrder(args: readonly string[]): Order {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      node: { type: 'string', multiple: true, default: [] },
    },
  })
  const { quick, full, node: nodes } = values
  const output = values.json ? 'json' : values.markdown ? 'markdown' : 'text'
  const only = values.only.split(',').filter(name => name !== '')
  return { settings: { ...(quick ? QUICK : NORMAL), quick, full, nodes }, output, only }
}
