import { OrthrusError } from '../../shared/errors.js'
import type { Kind, Run } from './deed.js'
import { type Asking, isDueOwn, requireDue } from './due.js'

/** What honest clients do: they ask services by tickets of their own. */

export interface Request extends Asking {
  readonly client: string
  readonly service: string
}

export const exchange: Kind<Request> = {
  name: 'an undisturbed request',
  async act({ world }, request) {
    const { client, service } = request
    const party = world.parties.get(client)
    if (party === undefined) return false
    const isDue = (): boolean => isDueOwn(world, client, service, request)
    await requireDue(world, party.client, request, isDue, 'an exchange')
    return true
  },
}

export const send: Kind<Request> = {
  name: 'a request goes out',
  async act({ world }, { client, ...wish }) {
    const party = world.parties.get(client)
    if (party !== undefined) world.send(party.client, wish)
    return party !== undefined
  },
}

/** Waits for the promise, and meanwhile carries what the client asks the KDC; nothing if it is refused. */
export async function obtain<T>(run: Run, client: string, promise: Promise<T>): Promise<T | undefined> {
  let settled = false
  const result = promise.then(
    value => value,
    cause => {
      if (!(cause instanceof OrthrusError)) throw cause
      return undefined
    },
  )
  const settle = (): void => {
    settled = true
  }
  result.then(settle, settle)
  for (let i = 0; i < 20; i++) {
    await run.world.settle()
    if (settled) return result
    const next = run.world.waiting.questionOf(client)
    if (next === undefined) return undefined
    await run.world.carry(next)
  }
  return undefined
}
