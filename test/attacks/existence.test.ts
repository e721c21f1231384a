import { describe, expect, it, vi } from 'vitest'
import { TYPE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createParamsRequest, decodeParamsReply } from '../../shared/exchange/params.js'
import { type Principal, principalIn } from '../../shared/principal.js'
import type { TestRealm } from '../../testing/index.js'
import { addPerson, startTestRealm } from '../support/world.js'
import { entryOf, HandClient } from './by-hand.js'

/** Whether a name exists must not show in an answer, in its length, or in the work that it takes. */

const work = vi.hoisted(() => ({ calls: [] as string[] }))

vi.mock('../../shared/crypto/primitives.node.js', async importOriginal => {
  const original = await importOriginal<typeof import('../../shared/crypto/primitives.node.js')>()
  const counted = <F extends (...args: never[]) => unknown>(name: string, call: F): F => {
    return ((...args: Parameters<F>) => {
      work.calls.push(name)
      return call(...args)
    }) as F
  }
  return {
    ...original,
    sha256: counted('sha256', original.sha256),
    hmacSha256: counted('hmac', original.hmacSha256),
    sealExtended: counted('seal', original.sealExtended),
    openExtended: counted('open', original.openExtended),
    equalBytes: counted('equal', original.equalBytes),
    scrypt: counted('scrypt', original.scrypt),
  }
})

async function scene(): Promise<TestRealm> {
  const realm = await startTestRealm()
  await realm.add('web', 'gone', 'off')
  await addPerson(realm, 'ann')
  await realm.administration.remove(entryOf(realm, 'gone').principal)
  await realm.administration.disable(entryOf(realm, 'off').principal)
  return realm
}

const NAMES = ['web', 'ann', 'off', 'gone', 'ghost', 'krbtgt', 'kdc', 'web/1', 'constructor'] as const

async function guesser(realm: TestRealm, name: string): Promise<HandClient> {
  const entry = { principal: nameIn(realm, name), kvno: 1, key: new LongTermKey(systemRandom(32)) }
  return HandClient.connect(realm.kdc.url, entry, realm.clock)
}

function nameIn({ kdc }: TestRealm, name: string): Principal {
  return principalIn(kdc.realm, name)
}

describe('whether a principal exists', () => {
  it('does not show in any byte of the answer to somebody who cannot prove its key', async () => {
    const realm = await scene()
    const answers = new Set<string>()
    for (const name of NAMES) {
      const client = await guesser(realm, name)
      for (const kvno of [0, 1, 2, 99]) {
        for (const time of [realm.clock.now(), 1]) {
          const bytes = await client.ask(client.asRequest({ kvno, time }).bytes)
          expect(bytes[1]).toBe(TYPE.ERROR)
          answers.add(Buffer.from(bytes).toString('hex'))
        }
      }
    }
    expect(answers.size).toBe(1)
    // Only somebody who can prove it learns it: that is the difference to look for.
    const off = await HandClient.open(realm, 'off')
    expect((await off.login()).bytes[1]).toBe(TYPE.ERROR_AUTHENTICATED)
  })

  it('does not show in the work that a wrong guess takes', async () => {
    const realm = await scene()
    const taken = new Map<string, string>()
    for (const name of NAMES) {
      const client = await guesser(realm, name)
      for (const kvno of [0, 1, 2]) {
        const { bytes } = client.asRequest({ kvno })
        // What is derived or read once is in memory from the second guess on.
        await client.ask(bytes)
        work.calls.length = 0
        await client.ask(bytes)
        taken.set(`${name} ${kvno}`, work.calls.join())
      }
    }
    expect(taken.size).toBe(NAMES.length * 3)
    expect(new Set(taken.values())).toEqual(new Set(['hmac,equal']))
  })

  it('does not show in the work that the first guess at a name takes, whether the name is in use or not', async () => {
    const realm = await scene()
    await realm.add('busy', 'idle')
    await (await HandClient.open(realm, 'busy')).login()
    // What a KDC derives once for all names is in memory from its first guess on.
    await (await guesser(realm, 'nobody')).login()
    const taken = new Map<string, string>()
    for (const name of ['busy', 'idle', 'ann', 'ghost', 'web/1', 'constructor']) {
      const client = await guesser(realm, name)
      const { bytes } = client.asRequest()
      work.calls.length = 0
      await client.ask(bytes)
      taken.set(name, work.calls.sort().join())
    }
    expect(new Set(taken.values())).toEqual(new Set(['equal,hmac,hmac,open']))
  })

  it('does not show in salts and parameters: every name has some, and always the same', async () => {
    const realm = await scene()
    // One of them is in use, so the KDC has it in memory.
    await (await HandClient.open(realm, 'web')).login()
    const client = await guesser(realm, 'ghost')
    const shapes = new Set<string>()
    const salts = new Set<string>()
    for (const name of NAMES) {
      const request = createParamsRequest(nameIn(realm, name))
      work.calls.length = 0
      const one = await client.ask(request)
      shapes.add(work.calls.join())
      const two = await client.ask(request)
      expect(Buffer.from(one).toString('hex')).toBe(Buffer.from(two).toString('hex'))
      const { salt, ...parameters } = decodeParamsReply(one)
      shapes.add(`${one.length} ${JSON.stringify(parameters)}`)
      salts.add(Buffer.from(salt).toString('hex'))
      work.calls.length = 0
      await client.ask(request)
      shapes.add(work.calls.join())
    }
    expect(shapes.size).toBe(2)
    expect(salts.size).toBe(NAMES.length)
  })

  it('of a service does not show to a client that no rule allows to use it', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders', 'gone', 'off')
    await realm.administration.remove(entryOf(realm, 'gone').principal)
    await realm.administration.disable(entryOf(realm, 'off').principal)
    const web = await HandClient.open(realm, 'web')
    const services = ['orders', 'off', 'gone', 'ghost'].map(name => nameIn(realm, name))
    const { reply } = await web.login({ services })
    expect(new Set(reply?.denials.map(({ code }) => code))).toEqual(new Set(['policy_denied']))
    expect(reply?.denials).toHaveLength(4)
  })
})
