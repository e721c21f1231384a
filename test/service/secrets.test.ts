import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { expand } from '../../shared/crypto/derive.js'
import { revealKey } from '../../shared/crypto/keys.js'
import { oldOrdersKey, ordersKey, type RunningRealm, startRealm } from './realm.js'

/** Every way in which these keys could have been written down. */
function spellings(keys: readonly Uint8Array[]): string[] {
  return keys.flatMap(key => {
    const bytes = Buffer.from(key)
    return [
      bytes.toString('hex'),
      bytes.toString('base64').slice(0, 42),
      bytes.toString('base64url').slice(0, 42),
      bytes.join(),
    ]
  })
}

function inspected(value: unknown): string {
  return inspect(value, {
    depth: 12,
    showHidden: true,
    maxArrayLength: null,
    maxStringLength: null,
    breakLength: 1e6,
  })
}

function expectNone(text: string, keys: readonly Uint8Array[]): void {
  // Inspections of lists are broken into lines and columns.
  const whole = text.replace(/\s+/g, '')
  for (const spelling of spellings(keys)) expect(whole).not.toContain(spelling)
}

async function use(realm: RunningRealm): Promise<{ seen: string; keys: Uint8Array[] }> {
  const ticket = realm.ticket()
  const requests = [
    realm.sign({}, { ticket }),
    realm.sign({ method: 'POST', body: Buffer.from('x') }, { ticket }),
    realm.sign({}, { ticket, caveats: [{ name: 'methods', methods: [] }] }),
    realm.sign({ target: '/fail' }, { ticket }),
    realm.sign({}, { ticket: realm.ticket({ kvno: 9 }) }),
    realm.sign({}, { ticket, time: 0 }),
  ]
  const responses = []
  for (const request of requests) responses.push(await realm.send(request))
  const told = [realm.log.lines, realm.refused, realm.service]
  const seen = [
    inspected(told),
    JSON.stringify(told, (_, value) => (value instanceof Error ? inspected(value) : value)),
    responses.map(({ headers, body }) => `${headers.join('\n')}\n${body}`).join('\n'),
  ]
  const keys = [ordersKey, oldOrdersKey, ticket.key, ...requests.map(request => request.key)].map(revealKey)
  return { seen: seen.join('\n'), keys: [...keys, expand(ordersKey, 'ticket'), expand(ticket.key, 'chain')] }
}

describe('keys', () => {
  it('show in no log, response or inspection', async () => {
    const dumps: string[] = []
    const realm = await startRealm({
      handler: (req, res, ticket) => {
        dumps.push(inspected(ticket), JSON.stringify(ticket), inspected(res), inspected(req))
        if (req.url === '/fail') throw new Error('no database')
        res.end('hello')
      },
    })
    const { seen, keys } = await use(realm)
    expect(realm.handled.length).toBe(3)
    expect(realm.refused.length).toBe(3)
    expectNone(seen, keys)
    expectNone(dumps.join('\n'), keys)
  })

  it('would be found if they showed', () => {
    const key = revealKey(ordersKey)
    for (const shown of [
      inspected([...key]),
      Buffer.from(key).toString('base64'),
      Buffer.from(key).toString('hex'),
    ]) {
      expect(() => expectNone(shown, [key])).toThrow()
    }
  })
})

describe('the log', () => {
  it('keeps neither the query of a request nor all of a long path', async () => {
    const realm = await startRealm()
    await realm.send(realm.sign({ target: `/${'a'.repeat(1_000)}?token=hunter2` }))
    await realm.send({ method: 'GET', target: '/a?token=hunter2', headers: [] })
    const text = JSON.stringify(realm.log.lines)
    expect(text).not.toContain('hunter2')
    expect(text.length).toBeLessThan(1_000)
  })
})
