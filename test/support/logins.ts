import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { KeptLogin } from '../../client/kept-login/kept-login.js'
import { LoginFolder } from '../../client/kept-login/login-files.node.js'
import { NO_SESSION_KEYS } from '../../client/kept-login/session-keys.node.js'
import { partsOf } from '../../client/realm.js'
import { toHex } from '../../shared/bytes.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { TestRealm } from '../../testing/realm.js'

/** A folder for logins that is removed after the test. */
export async function temporaryLogins(): Promise<LoginFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-logins-'))
  // What a program keeps in the background may still be written when its test is over.
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }))
  return new LoginFolder(join(folder, 'logins'), { keys: NO_SESSION_KEYS })
}

/** What `orthrus login` would write for this principal, made with its random key, since a password takes long. */
export async function loginOf(realm: TestRealm, name: string, lifetime = 0): Promise<KeptLogin> {
  const connected = await realm.connect(name)
  try {
    const tgt = await partsOf(connected).source.login?.renewableTgt(lifetime)
    if (tgt === undefined) throw new Error(`${name} has no key`)
    const { client } = connected
    return { id: toHex(systemRandom(16)), client, kdc: [realm.kdc.url], parameters: null, tgt, tickets: [] }
  } finally {
    connected.close()
  }
}
