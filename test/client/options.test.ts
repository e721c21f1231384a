import { describe, expect, it } from 'vitest'
import type { ConnectOptions } from '../../client/connect-options.js'
import type { TicketOptions } from '../../client/realm-options.js'
import type { Attenuation } from '../../client/ticket/attenuation.js'
import { failureOf, Setting } from './setting.js'

describe('an option that does not exist', () => {
  it.each([
    [{ keytap: 'web.keytab' }, 'connect has no option "keytap"; did you mean "keytab"?'],
    [{ allowPasswordOverPlainWebsocket: true }, 'did you mean "allowPasswordOverPlainWebSocket"?'],
    [{ service: { 'http://orders.test': 'orders' } }, 'did you mean "services"?'],
    [
      { timeouts: { exchanges: 1 } },
      'timeouts of connect has no option "exchanges"; did you mean "exchange"?',
    ],
    [{ keytab: { txt: '' } }, 'keytab of connect has no option "txt"; did you mean "text"?'],
  ])('%j is refused by connect before anything is tried', async (options, message) => {
    const setting = new Setting()
    const cause = await failureOf(setting.connect(options as Partial<ConnectOptions>))
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toContain(message)
    expect(setting.kdc.tried).toEqual([])
  })

  it.each([5, {}, [5], new URL('ws://127.0.0.1:8750'), Symbol('kdc')])(
    'a KDC that is %s is refused by connect, which says what it takes',
    async kdc => {
      const cause = await failureOf(new Setting().connect({ kdc } as never))
      expect(cause).toBeInstanceOf(TypeError)
      expect((cause as Error).message).toMatch(/^kdc is the URL of a KDC, or a list of such/)
    },
  )

  it('is refused by getServiceTicket, attenuate and credential', async () => {
    const realm = await new Setting().connect()
    const lifetimes = { lifeTime: 60_000 } as TicketOptions
    expect(await failureOf(realm.getServiceTicket('orders', lifetimes))).toMatchObject({
      message: 'getServiceTicket has no option "lifeTime"; did you mean "lifetime"?',
    })
    const ticket = await realm.getServiceTicket('orders')
    expect(() => ticket.attenuate({ expires: '5m', path: ['/a'] } as Attenuation)).toThrow(
      new TypeError('attenuate has no option "path"; did you mean "paths"?'),
    )
    const cut = ticket.attenuate({ expires: '5m' })
    expect(() => cut.credential({ close: true } as object)).toThrow(
      new TypeError('credential has no option "close"; did you mean "closed"?'),
    )
  })
})
