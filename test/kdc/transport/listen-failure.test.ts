import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { startKdc } from '../../../kdc/main.js'
import { createRealm } from '../../../kdc/realm/create-realm.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { explainListenFailure } from '../../../kdc/transport/listen-failure.js'
import { MasterKey } from '../../../kdc/vault/master-key.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { parseRealm } from '../../../shared/principal.js'
import { systemClock } from '../../../shared/time.js'

it('a KDC whose address is in use names it and says what to do, and closes its store', async () => {
  const taken = createServer()
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const [store, bytes] = [createMemoryStore(), systemRandom(32)]
  const vault = new Vault(store, new MasterKey(bytes.slice()), systemRandom)
  await createRealm({ vault, realm: parseRealm('a.example'), clock: systemClock, random: systemRandom })
  const started = startKdc({ store, masterKey: new MasterKey(bytes), listen: { port } })
  await expect(started).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      new RegExp(`127\\.0\\.0\\.1:${port} is in use already \\(.*another KDC.*--listen HOST:PORT`),
    ),
  })
  await expect(store.get('realm', 'realm')).rejects.toThrow(/closed/)
  await new Promise(resolve => taken.close(resolve))
})

it.each([
  ['EACCES', /127\.0\.0\.1:80 is not allowed to this user \(.*1024/],
  ['EADDRNOTAVAIL', /127\.0\.0\.1:80 is not an address of this machine \(.*0\.0\.0\.0/],
  ['ENOTFOUND', /has a host name that has no address/],
  ['EMFILE', /cannot be listened on: EMFILE/],
])('%s is explained', (code, said) => {
  const { message } = explainListenFailure(
    { host: '127.0.0.1', port: 80 },
    Object.assign(new Error(code), { code }),
  )
  expect(message).toMatch(said)
  expect(message).toContain('--listen HOST:PORT')
})
