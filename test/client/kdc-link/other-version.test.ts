import { describe, expect, it } from 'vitest'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import { createError } from '../../../shared/encoding/error.js'
import type { WireCode } from '../../../shared/errors.js'
import { createOwnerLogger } from '../../../shared/owner-logger.js'
import { MINUTE } from '../../../shared/time.js'
import { failureOf, Setting } from '../setting.js'

const errorOf = (code: WireCode): Uint8Array => createError({ code, time: 0, floor: null, message: '' })

describe('a KDC of another version', () => {
  it.each<[string, Uint8Array, number]>([
    ['that writes its version', new Uint8Array([2, 2, 0]), 1],
    ['that says it does not know this one', errorOf('unsupported_version'), 1],
    ['that refuses for another reason', errorOf('auth_failed'), 0],
    ['that answers with half an error', errorOf('unsupported_version').subarray(0, 4), 0],
    ['that answers with nothing', new Uint8Array(), 0],
  ])('%s: %#', async (_, answer, lines) => {
    const setting = new Setting()
    const realm = await setting.connect()
    setting.kdc.intercept = () => answer
    await failureOf(realm.getServiceTicket('orders'))
    const told = setting.log.filter(({ message }) => message.startsWith('the KDC is of another version'))
    expect(told).toHaveLength(lines)
    expect(told.every(({ level, fields }) => level === 'warn' && fields.version === 1)).toBe(true)
  })

  it('is told about where it refuses only the opening of a channel, with a ticket from before', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    await realm.getServiceTicket('kdc')
    const told = () =>
      setting.log.filter(({ message }) => message.startsWith('the KDC is of another version'))
    const channel = await openKdcChannel(realm)
    expect(await channel.call('list', [])).toEqual([])
    channel.close()
    expect(told()).toEqual([])
    setting.kdc.accept = () => ({ reply: errorOf('unsupported_version') })
    setting.kdc.intercept = () => expect.fail('the ticket is there')
    await failureOf(openKdcChannel(realm))
    expect(told().length).toBeGreaterThan(0)
  })

  it('is told about in password logins too', async () => {
    const setting = new Setting()
    setting.kdc.intercept = () => new Uint8Array([2, 14, 0])
    const login = { principal: 'ann@test.example', password: 'correct horse' }
    const realm = await setting.connect(login)
    await failureOf(realm.getServiceTicket('orders'))
    expect(setting.log.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('the KDC is of another version'),
    )
  })

  it('is told about a few times a minute only, however often it answers', async () => {
    const setting = new Setting()
    const written: string[] = []
    const logger = createOwnerLogger({
      name: 'orthrus client',
      clock: setting.time,
      write: text => written.push(text),
    })
    const realm = await setting.connect({ logger })
    setting.kdc.intercept = () => new Uint8Array([2, 2, 0])
    for (let i = 0; i < 50; i++) {
      await failureOf(realm.getServiceTicket(`s${i}`))
      setting.time.pass(MINUTE / 60)
    }
    expect(written.length).toBeLessThanOrEqual(10)
    expect(written[0]).toContain('client and KDC need the same one')
  })
})
