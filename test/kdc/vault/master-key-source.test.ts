import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMasterKey, MasterKey, revealMasterKey } from '../../../kdc/vault/master-key.js'
import { runForMasterKey } from '../../../kdc/vault/master-key-command.js'
import {
  MASTER_KEY_CREDENTIAL,
  MASTER_KEY_VARIABLE,
  type MasterKeySource,
  masterKeySource,
  openMasterKey,
  toldSource,
} from '../../../kdc/vault/master-key-source.js'

const BYTES = Uint8Array.from({ length: 32 }, (_, i) => i * 5)
const onLinux = it.skipIf(process.platform === 'win32')

let folder = ''
let file = ''
let text = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-source-'))
  file = join(folder, 'master.key')
  await createMasterKey(file, () => BYTES.slice())
  text = await readFile(file, 'latin1')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function bytesFrom(source: MasterKeySource, env = {}): Promise<Uint8Array> {
  return revealMasterKey(await openMasterKey(source, env))
}

/** A program of this test: Node, with a script in place of a vault's. */
async function command(script: string): Promise<readonly string[]> {
  const path = join(folder, 'vault.mjs')
  await writeFile(path, script)
  return [process.execPath, path]
}

async function refusalOf(source: MasterKeySource, env = {}): Promise<Error> {
  const error = (await openMasterKey(source, env).catch(error => error)) as Error
  expect(error).toMatchObject({ name: 'OrthrusError', code: 'keytab_invalid', final: true })
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(text.slice(40, 60))
  return error
}

describe('where the master key comes from', () => {
  const usualFile = '/data/master.key'

  it('is the file in the data folder, unless something else is there or asked for', async () => {
    expect(await masterKeySource({ usualFile }, {})).toEqual({
      kind: 'file',
      path: usualFile,
      allowReadable: false,
    })
    const folderEnv = { CREDENTIALS_DIRECTORY: folder }
    // A service can have other credentials, and none of the master key.
    expect(await masterKeySource({ usualFile }, folderEnv)).toMatchObject({ kind: 'file', path: usualFile })
    await writeFile(join(folder, MASTER_KEY_CREDENTIAL), text)
    expect(await masterKeySource({ usualFile }, folderEnv)).toEqual({
      kind: 'credential',
      path: join(folder, MASTER_KEY_CREDENTIAL),
    })
    const both = { ...folderEnv, [MASTER_KEY_VARIABLE]: text }
    expect(await masterKeySource({ usualFile }, both)).toMatchObject({ kind: 'environment' })
    expect(await masterKeySource({ usualFile, file }, folderEnv)).toMatchObject({ kind: 'file', path: file })
    expect(await masterKeySource({ usualFile, command: ['vault'] }, folderEnv)).toMatchObject({
      kind: 'command',
    })
    expect(await masterKeySource({ usualFile }, { [MASTER_KEY_VARIABLE]: '' })).toMatchObject({
      kind: 'file',
    })
  })

  it('is not two places at once, since the forgotten one could be the wrong one', async () => {
    const twice = [
      masterKeySource({ usualFile, file, command: ['vault', 'secret-argument'] }, {}),
      masterKeySource({ usualFile, file }, { [MASTER_KEY_VARIABLE]: text }),
      masterKeySource({ usualFile, command: ['vault'] }, { [MASTER_KEY_VARIABLE]: text }),
    ]
    for (const choice of twice) {
      const error = (await choice.catch(error => error)) as Error
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(/is to come from the .* and from the .*: name only one of them/)
      expect(error.message).not.toMatch(/secret-argument|orthrusmaster1_/)
    }
  })

  it('can be told without a secret', () => {
    expect(toldSource({ kind: 'command', words: ['vault', '-token=abc'] })).toBe('the command vault')
    expect(toldSource({ kind: 'environment', variable: MASTER_KEY_VARIABLE })).toBe(
      `the variable ${MASTER_KEY_VARIABLE}`,
    )
  })
})

describe('a master key that is handed over', () => {
  const variable = { kind: 'environment', variable: MASTER_KEY_VARIABLE } as const
  const line = () => text.split('\n')[1] ?? ''

  it('is read with or without its first line and the newline at its end', async () => {
    for (const form of [
      text,
      line(),
      `${line()}\n`,
      text.trimEnd(),
      `${text}\n`,
      text.replaceAll('\n', '\r\n'),
    ])
      expect(await bytesFrom(variable, { [MASTER_KEY_VARIABLE]: form })).toEqual(BYTES)
  })

  it('with a character changed or missing is none, and is not shown', async () => {
    const one = line()
    const altered = ['', ' ', text + text, `x${one}`, `${one}x`]
    for (let i = 0; i < one.length; i++) {
      altered.push(one.slice(0, i) + (one[i] === 'A' ? 'B' : 'A') + one.slice(i + 1))
      altered.push(one.slice(0, i), one.slice(0, i) + one.slice(i + 1))
    }
    for (const form of altered) {
      const { message } = await refusalOf(variable, { [MASTER_KEY_VARIABLE]: form })
      expect(message).toContain(`the variable ${MASTER_KEY_VARIABLE} has no master key, or a part of one`)
    }
  })

  onLinux('as a credential is read as systemd makes it, and not where anybody can read it', async () => {
    const credentials = join(folder, 'credentials')
    await mkdir(credentials, { mode: 0o700 })
    const path = join(credentials, MASTER_KEY_CREDENTIAL)
    await writeFile(path, text)
    // An access list for the service shows in the bits of the group.
    await chmod(path, 0o440)
    await chmod(credentials, 0o550)
    expect(await bytesFrom({ kind: 'credential', path })).toEqual(BYTES)
    await chmod(path, 0o444)
    expect(await bytesFrom({ kind: 'credential', path })).toEqual(BYTES)
    await chmod(credentials, 0o755)
    const error = await refusalOf({ kind: 'credential', path })
    expect(error.message).toMatch(/credential .* can be read or changed by others/)
    await chmod(path, 0o440)
    expect(await bytesFrom({ kind: 'credential', path })).toEqual(BYTES)
    await chmod(path, 0o600)
    await writeFile(path, 'x'.repeat(2_000))
    expect((await refusalOf({ kind: 'credential', path })).message).toContain('larger than')
  })
})

describe('a command that prints the master key', () => {
  it('is started without a shell, with nothing to read and without the key of the environment', async () => {
    const words = await command(`
      let read = 0
      for await (const chunk of process.stdin) read += chunk.length
      const odd = process.argv.slice(2).join() !== '$HOME,a;b' || read > 0 || process.env.${MASTER_KEY_VARIABLE}
      process.stdout.write(odd || process.env.TOKEN !== 'token' ? 'odd' : ${JSON.stringify(text)})
    `)
    const source = { kind: 'command', words: [...words, '$HOME', 'a;b'] } as const
    expect(await bytesFrom(source, { TOKEN: 'token', [MASTER_KEY_VARIABLE]: 'another' })).toEqual(BYTES)
  })

  it('that fails, is not there or prints something else is told by its name, and none of its arguments', async () => {
    const words = await command(`
      process.stdout.write(${JSON.stringify(text)})
      console.error('permission denied\\nsecond line')
      process.exitCode = 3
    `)
    const failing = await refusalOf({ kind: 'command', words: [...words, '-token=abc'] })
    expect(failing.message).toMatch(/for the master key ended with code 3: permission denied \(/)
    const missing = await refusalOf({ kind: 'command', words: ['/no/such/vault', '-token=abc'] })
    expect(missing.message).toContain(
      'the command /no/such/vault for the master key could not be started: ENOENT',
    )
    const empty = await refusalOf({ kind: 'command', words: [...(await command('')), '-token=abc'] })
    expect(empty.message).toContain('has no master key, or a part of one')
    for (const error of [failing, missing, empty])
      expect(inspect(error, { depth: 9 })).not.toMatch(/-token|second line/)
  })

  it('that prints without end is ended, and so is one that does not end', async () => {
    const endless = await command(`
      const write = () => { while (process.stdout.write('x'.repeat(512))); process.stdout.once('drain', write) }
      write()
    `)
    await expect(runForMasterKey(endless, {})).rejects.toThrow(/printed more than 1024 bytes/)
    const waiting = await command('setInterval(() => {}, 1000)')
    await expect(runForMasterKey(waiting, {}, 300)).rejects.toThrow(/took longer than 0.3 s/)
  })
})

describe('a master key in memory', () => {
  it('is overwritten when it is erased, and of no use from then on', async () => {
    const bytes = BYTES.slice()
    const key = new MasterKey(bytes)
    key.erase()
    expect(bytes).toEqual(new Uint8Array(32))
    expect(() => revealMasterKey(key)).toThrow(/was erased/)
    expect(() => key.erase()).not.toThrow()
  })
})
