import { MASTER_KEY_VARIABLE } from '../../kdc/vault/master-key-source.js'
import { nearestOf } from '../../shared/options.js'
import type { Terminal } from '../terminal.js'
import { FILE_VARIABLE } from './settings.js'

const PREFIX = 'ORTHRUS_'

/** Those of other commands, and of the master key. */
const OTHERS: readonly string[] = [
  'ORTHRUS_KDC',
  'ORTHRUS_KEYTAB',
  MASTER_KEY_VARIABLE,
  'ORTHRUS_ETCD_PASSWORD',
  FILE_VARIABLE,
]

/**
 * A variable that nearly has the name of a setting is a mistake. What resembles none is somebody else's: Kubernetes sets
 * variables that begin with the name of each service, such as `ORTHRUS_PORT`.
 * @throws TypeError that names the right one
 */
export function requireNoMisspelt(env: Terminal['env'], variables: readonly string[]): void {
  const known = [...variables, ...OTHERS]
  const names = known.map(name => name.slice(PREFIX.length))
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || known.includes(name) || env[name] === '') continue
    const nearest = nearestOf(name.slice(PREFIX.length), names)
    if (nearest !== undefined)
      throw new TypeError(`the variable ${name} is no setting; did you mean ${PREFIX}${nearest}?`)
  }
}
