import { mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { enrol } from '../../../client/channel/invitations.js'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import { connect } from '../../../client/connect.js'
import type { KeytabLogin } from '../../../client/connect-options.js'
import type { LoadServiceOptions } from '../../../service/index.js'
import { formatJoinCode } from '../../../shared/keytab/join-code.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { silentLogger } from '../../../shared/logger.js'
import type { Pattern } from '../../../shared/pattern.js'
import type { Principal } from '../../../shared/principal.js'
import { DAY, MINUTE } from '../../../shared/time.js'
import { loadService } from '../../support/load-service.js'
import { type OwnKdc, startOwnKdc } from '../../support/own-kdc.js'
import { until } from '../../support/turns.js'

let kdc: OwnKdc
let folder = ''
let keytab = ''

beforeEach(async () => {
  kdc = await startOwnKdc()
  folder = await mkdtemp(join(tmpdir(), 'orthrus-join-'))
  keytab = join(folder, 'host.keytab')
})

afterEach(() => rm(folder, { recursive: true, force: true }))

async function invite(target = 'host', uses = 1) {
  const made = await kdc.administration.invitations.make({
    target: `${target}@test.example` as Pattern,
    uses,
    endsAt: kdc.clock.now() + 10 * MINUTE,
    principalsLife: null,
  })
  return { ...made, code: formatJoinCode({ ...made, kdc: [kdc.kdc.url] }) }
}

/** Starts as a container does: with the code, and with the keytab if it was kept. */
const start = (code: string | undefined, options: Partial<KeytabLogin> = {}) =>
  connect({ join: code, keytab, clock: kdc.clock, timers: kdc.clock, logger: silentLogger, ...options })

describe('loadService with a join code', () => {
  const load = async (code: string | undefined, options: Partial<LoadServiceOptions> = {}) => {
    const common = { clock: kdc.clock, timers: kdc.clock, logger: silentLogger }
    const service = await loadService({ join: code, keytab, ...common, ...options })
    onTestFinished(() => service.close())
    return service
  }

  it('gets its key at its first start, and starts without a KDC from then on', async () => {
    const { code } = await invite()
    expect(await load(code)).toMatchObject({ principal: 'host@test.example' })
    expect((await kdc.record('host')).keys).toMatchObject([{ state: 'current' }])
    await load(code)
    await kdc.kdc.close()
    await load(code)
    await unlink(keytab)
    await expect(load(code)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('follows the KDC that the code names, at each start, and changes its key there', async () => {
    const { code } = await invite()
    for (const start of ['the first', 'the second']) {
      const service = await load(code, { rotation: 'automatic' })
      await until(() => service.state.ready)
      expect([start, service.state.feed?.connected]).toEqual([start, true])
    }
    // The keytab names it from the first start on, after which nobody need tell it again.
    expect(await readFile(keytab, 'utf8')).toContain(`\n# kdc ${kdc.kdc.url}\n`)
    const untold = await load(undefined, { rotation: 'automatic' })
    await until(() => untold.state.ready)
    expect(untold.state.feed?.connected).toBe(true)
    expect((await load(undefined, { withoutRevocations: true })).state.feed).toBeUndefined()
    expect((await load(code, { withoutRevocations: true })).state.feed).toBeUndefined()
    await expect(load(code, { withoutRevocations: true, kdc: kdc.kdc.url })).rejects.toBeInstanceOf(TypeError)
  })

  it('is told by the keytab rather than by the code, which may be of long ago', async () => {
    const { code } = await invite()
    await load(code)
    const text = await readFile(keytab, 'utf8')
    await writeFile(keytab, text.replace(kdc.kdc.url, 'ws://127.0.0.1:1'))
    expect((await load(code)).state.feed?.connected).toBe(false)
    await writeFile(keytab, text.replace(/\n# kdc .*\n/, '\n'))
    const service = await load(code)
    await until(() => service.state.ready)
    await writeFile(keytab, text.replace(kdc.kdc.url, 'here'))
    await expect(load(code)).rejects.toMatchObject({ code: 'keytab_invalid' })
    const told = await load(code, { kdc: kdc.kdc.url })
    await until(() => told.state.ready)
  })

  it('follows another KDC where it is told so', async () => {
    const { code } = await invite()
    await load(code)
    const elsewhere = await load(code, { kdc: 'ws://127.0.0.1:1' })
    expect(elsewhere.state.feed?.connected).toBe(false)
    await load(code.slice(0, -4), { kdc: kdc.kdc.url })
    const text = await readFile(keytab, 'utf8')
    await writeFile(keytab, text.replace(/\n# kdc .*\n/, '\n'))
    await expect(load(code.slice(0, -4))).rejects.toMatchObject({ code: 'credential_invalid' })
  })

  it('tells a container that lost its keytab exactly that, on each later day too', async () => {
    const { code } = await invite()
    await load(code)
    await unlink(keytab)
    await expect(load(code)).rejects.toThrow(/was used at .*a container keeps it only on a volume/)
    kdc.clock.advance(DAY + 11 * MINUTE)
    await expect(load(code)).rejects.toThrow(
      /ended at .* does not know it any more.*a container keeps it only on a volume.*admin invite NAME/,
    )
  })

  it('tells the code of another realm, which a KDC of its realm would know', async () => {
    const { invitation, endsAt } = await invite()
    const principal = invitation.principal.replace('test', 'other') as Principal
    const foreign = { invitation: { ...invitation, principal }, endsAt, kdc: [kdc.kdc.url] }
    await expect(load(formatJoinCode(foreign))).rejects.toThrow(
      /is for the realm other\.example, and the KDC at ws:.* does not know it.*name a KDC of other\.example/,
    )
  })
})

describe('connect with a join code', () => {
  it('needs nothing but the code at first, and the keytab from then on', async () => {
    const { code } = await invite()
    const first = await start(code)
    expect(first.client).toBe('host@test.example')
    await first.getServiceTicket('kdc')
    first.close()
    const written = await readFile(keytab, 'utf8')
    const second = await start(code)
    await second.getServiceTicket('kdc')
    second.close()
    expect(await readFile(keytab, 'utf8')).toBe(written)
    const third = await start(undefined, { kdc: kdc.kdc.url })
    await third.getServiceTicket('kdc')
    third.close()
  })

  it('tells a container that lost its keytab exactly that', async () => {
    const { code } = await invite()
    ;(await start(code)).close()
    await unlink(keytab)
    await expect(start(code)).rejects.toMatchObject({
      code: 'revoked',
      final: true,
      message: expect.stringMatching(
        /was used at .* from 127\.0\.0\.1.*a container keeps it only on a volume/,
      ),
      facts: { invitation: { how: 'used', from: '127.0.0.1' } },
    })
  })

  it('makes an instance of a fleet', async () => {
    const { code } = await invite('host/*', 2)
    const realm = await start(code, { instance: 'a' })
    expect(realm.client).toBe('host/a@test.example')
    realm.close()
  })

  it('goes on where it went down after it wrote its key', async () => {
    const { invitation, code } = await invite()
    const text = formatKeytab([invitation])
    const invited = await connect({ kdc: kdc.kdc.url, keytab: { text }, clock: kdc.clock, timers: kdc.clock })
    const entry = await enrol(await openKdcChannel(invited), null)
    invited.close()
    expect((await kdc.record('host')).keys).toMatchObject([{ state: 'next' }])
    await writeFile(keytab, formatKeytab([entry]), { mode: 0o600 })
    ;(await start(code)).close()
    expect((await kdc.record('host')).keys).toMatchObject([{ state: 'current' }])
    expect((await kdc.record(invitation.principal)).invitation).toMatchObject({ used: 1 })
  })

  it('lets one of two hosts in that use a code at the same moment, and the other knows', async () => {
    const { code } = await invite()
    const other = join(folder, 'other.keytab')
    const outcomes = await Promise.allSettled([start(code), start(code, { keytab: other })])
    const joined = outcomes.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
    const refused = outcomes.flatMap(each => (each.status === 'rejected' ? [each.reason as unknown] : []))
    expect(joined).toHaveLength(1)
    // Until the first one has logged in, nothing proves to the second that its key is dead.
    expect(refused).toMatchObject([{ code: expect.stringMatching(/^(revoked|auth_failed)$/) }])
    await joined[0]?.getServiceTicket('kdc')
    joined[0]?.close()
    expect((await kdc.record('host')).keys).toHaveLength(1)
  })

  it.each([
    ['no keytab', { keytab: { text: '' } }, /join of connect needs keytab/],
    ['a KDC that anybody may listen to', { kdc: 'ws://kdc.example' }, /anybody may listen/],
  ])('refuses %s', async (_, options, message) => {
    const { code } = await invite()
    await expect(start(code, options)).rejects.toThrow(expect.objectContaining({ name: 'TypeError' }))
    await expect(start(code, options)).rejects.toThrow(message)
  })

  it('refuses a code that was cut off, before it asks anybody', async () => {
    const { code } = await invite()
    await expect(start(code.slice(0, -4))).rejects.toMatchObject({ code: 'credential_invalid' })
  })
})
