import { describe, expect, it } from 'vitest'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { failureOf } from '../../support/failure.js'
import { turns } from '../../support/turns.js'
import { ORDERS, WEB } from '../fake-kdc.js'
import { A, B, C, SeveralKdcs } from './several-kdcs.js'

/** Whoever reads an error of a client that knows several KDCs looks at the log of one of them. */

async function failing(several: SeveralKdcs, call: Promise<unknown>): Promise<OrthrusError> {
  const failure = failureOf(call)
  await several.lasting(failure)
  return (await failure) as OrthrusError
}

async function prepared() {
  const several = new SeveralKdcs()
  const realm = await several.connect()
  return { several, realm, ask: () => failing(several, realm.getServiceTicket('orders')) }
}

describe('of several KDCs, an error names', () => {
  it('the one that refused', async () => {
    const { several, ask } = await prepared()
    several.fail(A, 'killed')
    const b = several.at(B)
    b.intercept = ({ bytes }) => b.provedError('principal_disabled', b.keyOf(WEB), bytes.subarray(-32))
    const cause = await ask()
    expect(cause).toMatchObject({ code: 'principal_disabled', facts: { kdc: B, principal: WEB } })
    expect(cause.message).toContain(`the KDC at ${B} refused ${WEB}`)
    expect(JSON.parse(JSON.stringify(cause))).toMatchObject({ kdc: B })
  })

  it('the one that denied a ticket', async () => {
    const { several, ask } = await prepared()
    several.fail(A, 'killed')
    several.at(B).denied.set(ORDERS, 'policy_denied')
    const cause = await ask()
    expect(cause).toMatchObject({ code: 'policy_denied', facts: { kdc: B, service: ORDERS } })
    expect(cause.message).toContain(`the KDC at ${B} gives ${WEB} no ticket for ${ORDERS}`)
  })

  it('the one whose word counts where each says another thing, without proof', async () => {
    const { several, ask } = await prepared()
    const codes = { [A]: 'unavailable', [B]: 'auth_failed', [C]: 'unavailable' } as const
    for (const url of [A, B, C]) several.at(url).intercept = () => several.at(url).error(codes[url])
    expect(await ask()).toMatchObject({
      code: 'auth_failed',
      reason: `the KDC at ${B} refused ${WEB}; nothing proves that it was the KDC`,
      facts: { kdc: B, claimed: 'auth_failed' },
    })
  })

  it('the one whose answer cannot be used', async () => {
    const { several, ask } = await prepared()
    for (const url of [A, B, C]) several.at(url).intercept = () => new Uint8Array(40)
    const cause = await ask()
    expect(cause.facts.kdc).toBe(A)
    expect(cause.message).toContain(`an answer in the name of the KDC at ${A} cannot be used`)
  })

  it('each of them, where none can be reached', async () => {
    const { several, ask } = await prepared()
    for (const url of [A, B, C]) several.fail(url, 'killed')
    const cause = await ask()
    expect(cause.facts.kdc).toBe(undefined)
    for (const url of [A, B, C]) expect(cause.message).toContain(`the KDC at ${url} cannot be reached`)
  })

  it('the only one that is known, without what its URL has besides', async () => {
    const url = 'ws://root:hunter2@a.test/kdc?token=hunter2'
    const several = new SeveralKdcs([url])
    several.fail(url, 'killed')
    const cause = await failing(several, several.connect())
    expect(cause).toMatchObject({ code: 'unavailable', facts: { kdc: 'ws://a.test/kdc' } })
    several.heal(url)
    const realm = await several.connect()
    several.at(url).denied.set(ORDERS, 'policy_denied')
    const denied = await failing(several, realm.getServiceTicket('orders'))
    expect(denied.facts.kdc).toBe('ws://a.test/kdc')
    for (const one of [cause, denied]) expect(JSON.stringify(one) + one.message).not.toContain('hunter2')
  })
})

describe('of several KDCs, an error of a channel names', () => {
  async function opened() {
    const { several, realm } = await prepared()
    several.fail(A, 'killed')
    const channel = await openKdcChannel(realm)
    await turns()
    return { several, realm, channel, kdc: several.at(B) }
  }

  it('the one that did not let it be opened', async () => {
    const { several, realm } = await prepared()
    for (const url of [A, B, C]) {
      several.at(url).accept = () => ({ reply: several.at(url).error('unavailable') })
    }
    const cause = await failing(several, openKdcChannel(realm))
    expect(cause).toMatchObject({ code: 'refused_unproved', facts: { kdc: C } })
    expect(cause.message).toContain(`in the name of kdc@demo.example at ${C}`)
  })

  it('the one that says that it cannot do a call now, which others may', async () => {
    const { several, channel, kdc } = await opened()
    kdc.call = ({ n }) => ({ n, code: 'unavailable', message: 'the store does not answer' })
    const cause = await failing(several, channel.call('list', []))
    expect(cause).toMatchObject({
      reason: `the KDC at ${B} says: the store does not answer`,
      facts: { kdc: B },
    })
  })

  it('the one that refuses a call for good in its facts alone, since each of them would', async () => {
    const { several, channel, kdc } = await opened()
    kdc.call = ({ n }) => ({ n, code: 'not_authorized', message: 'no role' })
    const cause = await failing(several, channel.call('list', []))
    expect(cause).toMatchObject({ reason: 'no role', facts: { kdc: B } })
  })

  it('the one that does not answer a call in time', async () => {
    const { several, channel, kdc } = await opened()
    await channel.call('list', [])
    // Answers to a call that has its answer are ignored.
    kdc.call = ({ n }) => ({ n: n - 1, results: [] })
    const cause = await failing(several, channel.call('list', []))
    expect(cause.message).toContain(`the KDC at ${B} did not answer list within`)
  })

  it('the one whose connection is lost', async () => {
    const { several, channel } = await opened()
    several.fail(B, 'killed')
    const cause = await failing(several, channel.call('list', []))
    expect(cause).toMatchObject({ code: 'channel_broken' })
    expect(cause.message).toContain(`the KDC at ${B} cannot be reached`)
  })
})
