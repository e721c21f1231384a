import { describe, expect, it } from 'vitest'
import { administrationOf, type ConnectedAdministration } from '../../client/admin.js'
import type { KdcCall } from '../../shared/channel/calls.js'
import { SECOND } from '../../shared/time.js'
import { failureOf } from '../support/failure.js'
import { WEB } from './fake-kdc.js'
import { A, B, type Failure, SeveralKdcs } from './kdc-link/several-kdcs.js'

/** What an administrator's calls do when a KDC fails. */

interface Administering {
  readonly several: SeveralKdcs
  readonly admin: ConnectedAdministration
  /** Where calls arrived, and which: `a list`. */
  readonly made: string[]
}

/** An administrator with a channel to the first of two KDCs, or to the only one. */
async function administering(urls: readonly string[] = [A, B]): Promise<Administering> {
  const several = new SeveralKdcs(urls)
  const made: string[] = []
  for (const url of urls) {
    several.at(url).call = call => {
      made.push(`${url.slice(5, 6)} ${call.method}`)
      return answer(call)
    }
  }
  const admin = administrationOf(await several.connect())
  await admin.ready()
  return { several, admin, made }
}

/** `list` has no rows, and a revocation is entry 7. */
function answer({ n, method }: KdcCall): { readonly n: number; readonly results: readonly (number | [])[] } {
  return { n, results: method === 'list' ? [[]] : [7] }
}

/** Fails once a call has arrived there, and before it is answered. */
function failInCall({ several, made }: Administering, how: Failure): void {
  several.at(A).call = call => {
    made.push(`a ${call.method}`)
    if (how === 'unavailable') return { n: call.n, code: 'unavailable', message: 'it is not current' }
    several.fail(A, how)
    // Nothing of a frozen KDC arrives.
    for (const socket of several.at(A).sockets) Object.assign(socket, { reply: () => {} })
    return answer(call)
  }
}

async function listed(admin: ConnectedAdministration): Promise<number> {
  let rows = 0
  for await (const _ of admin.list()) rows++
  return rows
}

describe.each(['killed', 'frozen', 'unavailable'] as const)(
  'a KDC that is %s in the middle of a call',
  how => {
    it('has what only reads asked at the next one', async () => {
      const setting = await administering()
      failInCall(setting, how)
      const rows = listed(setting.admin)
      expect(await setting.several.lasting(rows)).toBeLessThanOrEqual(1.1 * SECOND)
      expect(await rows).toBe(0)
      expect(setting.made).toEqual(['a list', 'b list'])
    })

    it('has what changes something made nowhere else, and says that it may have been done', async () => {
      const setting = await administering()
      failInCall(setting, how)
      const failure = failureOf(setting.admin.disable(WEB))
      expect(await setting.several.lasting(failure)).toBeLessThanOrEqual(1.1 * SECOND)
      const cause = await failure
      expect(cause).toMatchObject({ facts: { hint: 'it may have been done: look before repeating it' } })
      if (how !== 'unavailable') expect(String(cause)).toContain('before it answered disable')
      expect(setting.made).toEqual(['a disable'])
      // The next call goes to the other.
      if (how !== 'unavailable') expect(await setting.admin.disable(WEB)).toBe(7)
    })

    it('has what is about that KDC alone, as its audit log, asked nowhere else', async () => {
      const setting = await administering()
      failInCall(setting, how)
      const failure = failureOf(setting.admin.refusals('00'.repeat(8)))
      await setting.several.lasting(failure)
      expect(String(await failure)).not.toContain('may have been done')
      expect(setting.made).toEqual(['a refusal'])
    })
  },
)

it('the only KDC is not asked a second time', async () => {
  const setting = await administering([A])
  failInCall(setting, 'killed')
  expect(await failureOf(listed(setting.admin))).toMatchObject({ code: 'channel_broken' })
  expect(setting.made).toEqual(['a list'])
})
