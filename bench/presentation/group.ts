import { parsePrincipal } from '../../shared/principal.js'
import { type Group, makeGroup } from '../figures.js'
import { measureOperations, OPERATION_COLUMNS } from '../measure.js'
import type { Settings } from '../settings.js'
import { clientOperations } from './client.js'
import { jwtOperations } from './jwt.js'
import { macaroonOperation } from './macaroon.js'
import { createService } from './scene.js'
import { serviceOperations } from './service.js'
import { workloadTokenOperations } from './workload-token.js'

/** Both sides of AP, compared with the time that other libraries take to verify a token. One process, no sockets. */
export async function measurePresentations(settings: Settings): Promise<Group> {
  const service = createService(parsePrincipal('orders@bench.example'))
  const operations = [
    ...serviceOperations(service),
    ...clientOperations(service),
    ...(await jwtOperations()),
    ...(await workloadTokenOperations()),
    macaroonOperation(),
  ]
  return makeGroup(HEAD, await measureOperations(operations, settings))
}

const HEAD = {
  id: 'presentations',
  title: 'Verifying a presentation: AP, and peers',
  note:
    'In one process, without HTTP. Orthrus verifies a request that nobody can repeat and proves the answer; the peers ' +
    'verify a bearer token, the same one each time, and prove nothing back, but for the workload identity tokens, which ' +
    'come with a fresh proof for each request. "Known" is a ticket or identity that the service has verified before, ' +
    '"new" one that it sees for the first time.',
  columns: OPERATION_COLUMNS,
  main: 'cpu',
}
