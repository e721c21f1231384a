import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, link, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMasterKey, MasterKey, readMasterKey, revealMasterKey } from '../../../kdc/vault/master-key.js'

const BYTES = Uint8Array.from({ length: 32 }, (_, i) => 200 - i)
const random = (length: number) => BYTES.slice(0, length)
const CHECK = createHash('sha256').update(BYTES).digest().subarray(0, 4)
const SECRET = Buffer.concat([BYTES, CHECK]).toString('base64url')
const TEXT = `# orthrus master key 1\northrusmaster1_${SECRET}\n`

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-master-'))
  path = join(folder, 'master.key')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true, force: true })
})

async function write(text: string | Uint8Array): Promise<void> {
  await writeFile(path, text, { mode: 0o600 })
}

function refused(message: RegExp, hint: RegExp) {
  return {
    name: 'OrthrusError',
    code: 'keytab_invalid',
    final: true,
    message: expect.stringMatching(message),
    facts: { hint: expect.stringMatching(hint) },
  }
}

describe('a master key', () => {
  it('is written in its form, for its owner only, and read back', async () => {
    const key = await createMasterKey(path, random)
    expect(await readFile(path, 'latin1')).toBe(TEXT)
    if (process.platform !== 'win32') expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(revealMasterKey(key)).toEqual(BYTES)
    expect(revealMasterKey(await readMasterKey(path))).toEqual(BYTES)
  })

  it('is never written over a file that exists', async () => {
    await write('something else')
    await expect(createMasterKey(path, random)).rejects.toMatchObject(
      refused(/exists already/, /move it away, or make the realm in another folder/),
    )
    expect(await readFile(path, 'latin1')).toBe('something else')
    await rm(path)
    await symlink(join(folder, 'elsewhere'), path)
    await expect(createMasterKey(path, random)).rejects.toMatchObject(
      refused(/exists already/, /move it away, or make the realm in another folder/),
    )
    await expect(stat(join(folder, 'elsewhere'))).rejects.toThrow()
  })

  it('needs a folder to be written to', async () => {
    const inside = join(folder, 'missing', 'master.key')
    await expect(createMasterKey(inside, random)).rejects.toMatchObject(
      refused(/could not be written: ENOENT/, /folder/),
    )
  })

  it('shows itself nowhere', () => {
    const key = new MasterKey(BYTES.slice())
    for (const shown of [
      String(key),
      JSON.stringify({ key }),
      inspect({ key }, { showHidden: true }),
      `${key}`,
    ]) {
      expect(shown).toContain('[MasterKey]')
      expect(shown).not.toContain(String(BYTES[0]))
    }
    expect(Object.keys(key)).toEqual([])
  })

  it('has 32 bytes', () => {
    expect(() => new MasterKey(new Uint8Array(31))).toThrow(TypeError)
  })
})

describe('a file that is refused as a master key', () => {
  it('does not exist', async () => {
    await expect(readMasterKey(path)).rejects.toMatchObject(refused(/does not exist/, /backup/))
  })

  it('is a symbolic link', async () => {
    await createMasterKey(join(folder, 'target'), random)
    await symlink(join(folder, 'target'), path)
    await expect(readMasterKey(path)).rejects.toMatchObject(refused(/symbolic link/, /the file itself/))
    await rm(path)
    await link(join(folder, 'target'), path)
    expect(revealMasterKey(await readMasterKey(path))).toEqual(BYTES)
  })

  it('is a folder or a pipe', async () => {
    await expect(readMasterKey(folder)).rejects.toMatchObject(refused(/not a plain file/, /the file itself/))
    if (process.platform === 'win32') return
    execFileSync('mkfifo', ['-m', '600', path])
    await expect(readMasterKey(path)).rejects.toMatchObject(refused(/not a plain file/, /the file itself/))
  })

  it.skipIf(process.platform === 'win32').each([0o640, 0o604, 0o644, 0o601])('of mode %o', async mode => {
    await createMasterKey(path, random)
    await chmod(path, mode)
    const hint = new RegExp(`chmod 600 ${path}`)
    await expect(readMasterKey(path)).rejects.toMatchObject(refused(/read or changed by others/, hint))
    const allowed = await readMasterKey(path, { allowReadableMasterKey: true })
    expect(revealMasterKey(allowed)).toEqual(BYTES)
    await chmod(path, 0o400)
    expect(revealMasterKey(await readMasterKey(path))).toEqual(BYTES)
  })

  it('has a character changed or missing, or something added', async () => {
    const altered = [`${TEXT}\n`, `\n${TEXT}`, TEXT.replaceAll('\n', '\r\n'), TEXT + TEXT, '']
    for (let i = 0; i < TEXT.length; i++) {
      const other = TEXT[i] === 'A' ? 'B' : 'A'
      altered.push(
        TEXT.slice(0, i) + other + TEXT.slice(i + 1),
        TEXT.slice(0, i),
        TEXT.slice(0, i) + TEXT.slice(i + 1),
      )
    }
    for (const text of altered) {
      await write(text)
      const error = await readMasterKey(path).catch(error => error)
      expect(error).toMatchObject(refused(/not a master key, or was cut off or edited/, /backup/))
      expect(inspect(error)).not.toContain(SECRET.slice(0, 12))
    }
    await write(TEXT)
    expect(revealMasterKey(await readMasterKey(path))).toEqual(BYTES)
  })
})
