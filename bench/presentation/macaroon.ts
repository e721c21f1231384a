import { randomBytes } from 'node:crypto'
import { importMacaroon, newMacaroon } from 'macaroon'
import { HOUR } from '../../shared/time.js'
import { type BoundOperation, bindOperation } from '../measure.js'
import { CAVEATS } from './service.js'

/** A macaroon with three caveats, from its bytes to their checks. */
export function macaroonOperation(): BoundOperation {
  const rootKey = randomBytes(32)
  const macaroon = newMacaroon({ identifier: 'web', location: 'orders', rootKey, version: 2 })
  const text = new TextEncoder()
  for (const caveat of [`expires ${Date.now() + HOUR}`, 'methods GET,HEAD', 'paths /orders']) {
    macaroon.addFirstPartyCaveat(text.encode(caveat))
  }
  const bytes = macaroon.exportBinary()
  return bindOperation({
    head: { id: 'macaroon', name: 'macaroon verify, 3 caveats', peer: true, beside: CAVEATS },
    prepare: () => bytes,
    run: token => importMacaroon(token).verify(rootKey, faultOf),
  })
}

function faultOf(caveat: string): string | null {
  const [name, value = ''] = caveat.split(' ')
  switch (name) {
    case 'expires':
      return Date.now() < Number(value) ? null : 'expired'
    case 'methods':
      return value.split(',').includes('GET') ? null : 'another method'
    case 'paths':
      return '/orders/7'.startsWith(value) ? null : 'another path'
    default:
      return 'unknown'
  }
}
