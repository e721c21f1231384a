import { chmod, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { withGranted } from '../../../client/kept-login/kept-login.js'
import { LoginFolder } from '../../../client/kept-login/login-files.node.js'
import { type SessionKeys, systemSessionKeys } from '../../../client/kept-login/session-keys.node.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { ANN, grantFor, LOGIN, START } from '../../support/kept-login.js'
import { temporaryLogins } from '../../support/logins.js'

/** A login that is sealed by a key of the person's session, which is in no file. */

class FakeKeys implements SessionKeys {
  readonly keys = new Map<string, Uint8Array>()
  find = async (name: string) => this.keys.get(name)
  make = async (name: string) => {
    const key = systemRandom(32)
    this.keys.set(name, key)
    return key
  }
  erase = async (name: string) => void this.keys.delete(name)
}

async function sealedLogins(): Promise<{ logins: LoginFolder; keys: FakeKeys; next: () => LoginFolder }> {
  const { folder } = await temporaryLogins()
  const keys = new FakeKeys()
  const next = () => new LoginFolder(folder, { keys })
  const logins = next()
  await logins.write(LOGIN)
  return { logins, keys, next }
}

const textOf = (logins: LoginFolder) => readFile(logins.pathOf(ANN), 'utf8')
const ticket = (name: string) => ({ lifetime: 0, grant: grantFor(name) })

describe('a sealed login', () => {
  it('is read and added to by each process of the session, and shows nothing else than whose it is', async () => {
    const { logins, next } = await sealedLogins()
    expect(await next().read(ANN)).toEqual(LOGIN)
    expect(await next().isSealed(ANN)).toBe(true)
    await next().amend(ANN, login => withGranted(login, [ticket('stock')], START))
    const read = await next().read(ANN)
    expect(read.tickets.map(({ grant }) => grant.service)).toContain('stock@demo.example')
    expect(await textOf(logins)).toMatch(/^# orthrus login 2\northrussealed1_[\w-]+\northrusbox1_[\w-]+\n$/)
  })

  it('opens nowhere else, and says there what to type, for a job too', async () => {
    const { logins } = await sealedLogins()
    const elsewhere = new LoginFolder(logins.folder, { keys: new FakeKeys() })
    const refused = {
      code: 'login_invalid',
      message: expect.stringMatching(
        /is sealed by a key of the session that made it.*run: orthrus login ann@demo\.example; for jobs.*keytab of their own, or: .* --unsealed/,
      ),
    }
    await expect(elsewhere.read(ANN)).rejects.toMatchObject(refused)
    await expect(elsewhere.amend(ANN, login => login)).rejects.toMatchObject(refused)
    // It can be replaced and erased all the same.
    await elsewhere.write(LOGIN)
    expect(await elsewhere.read(ANN)).toEqual(LOGIN)
    expect(await elsewhere.erase(ANN)).toBe(true)
  })

  it('is of no use in a copy once it was erased, or replaced by the next login', async () => {
    const { logins, keys, next } = await sealedLogins()
    const copy = await textOf(logins)
    await next().write(LOGIN)
    expect(keys.keys.size).toBe(1)
    const last = await textOf(logins)
    await next().erase(ANN)
    expect(keys.keys.size).toBe(0)
    await next().write(LOGIN, { seal: false })
    await writeFile(logins.pathOf(ANN), copy)
    await expect(next().read(ANN)).rejects.toThrow('which is not here')
    await next().write(LOGIN, { seal: false })
    await writeFile(logins.pathOf(ANN), last)
    await expect(next().read(ANN)).rejects.toThrow('which is not here')
  })

  it('is refused with any letter changed, and where another one has its name', async () => {
    const { logins, next } = await sealedLogins()
    const text = await textOf(logins)
    for (let at = 0; at < text.length; at += 7) {
      const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
      await writeFile(logins.pathOf(ANN), changed)
      await expect(next().read(ANN)).rejects.toMatchObject({ code: 'login_invalid' })
    }
    for (const cut of [0, 10, text.length - 40, text.length - 1]) {
      await writeFile(logins.pathOf(ANN), text.slice(0, cut))
      await expect(next().read(ANN)).rejects.toMatchObject({ code: 'login_invalid' })
    }
  })

  it('is not sealed where that was asked for, or no key is kept, and stays so', async () => {
    const { logins, keys, next } = await sealedLogins()
    await next().write(LOGIN, { seal: false })
    expect([keys.keys.size, await next().isSealed(ANN)]).toEqual([0, false])
    await next().amend(ANN, login => withGranted(login, [ticket('stock')], START))
    expect(await textOf(logins)).toMatch(/^# orthrus login 1\n/)
  })
})

const kernel = await systemSessionKeys()
const probe = `orthrus:probe:${process.pid}`
const hasKernelKeys = (await kernel.make(probe, 60_000)) !== undefined
await kernel.erase(probe)

describe('keys of a session', () => {
  it.runIf(hasKernelKeys)(
    'are kept by the kernel until they are erased, in no argument of a program',
    async () => {
      const name = `orthrus:test:${process.pid}`
      onTestFinished(() => kernel.erase(name))
      const key = await kernel.make(name, 60_000)
      expect(key).toHaveLength(32)
      expect(await (await systemSessionKeys()).find(name)).toEqual(key)
      await kernel.erase(name)
      expect(await kernel.find(name)).toBeUndefined()
    },
  )

  it('are given to no program that others could have put there', async () => {
    const { folder } = await temporaryLogins()
    const program = join(dirname(folder), 'keyctl')
    await writeFile(program, '#!/bin/sh\necho 1\n')
    await chmod(program, 0o777)
    const keys = await systemSessionKeys(['/nowhere/keyctl', dirname(folder), program])
    expect(await keys.make('orthrus:test', 1_000)).toBeUndefined()
  })

  it.runIf(process.getuid?.() === 0)('of a program that lies, or prints without end, are none', async () => {
    const { folder } = await temporaryLogins()
    const program = join(dirname(folder), 'keyctl')
    for (const script of ['yes', 'echo 7; echo $0', 'echo 7', 'exit 1', 'printf "%032d" 1']) {
      await writeFile(program, `#!/bin/sh\nPATH=/usr/bin:/bin; ${script}\n`, { mode: 0o755 })
      const keys = await systemSessionKeys([program])
      expect(await keys.make('orthrus:test', 1_000), script).toBeUndefined()
      expect(await keys.find('orthrus:test'), script).toBeUndefined()
    }
  })
})
