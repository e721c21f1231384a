import { chmod, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readKeytabFile as readWithoutFiles } from '../../../shared/keytab/keytab-file.js'
import { readKeytabFile } from '../../../shared/keytab/keytab-file.node.js'

describe('a keytab file', () => {
  let folder = ''
  let path = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orthrus-keytab-'))
    path = join(folder, 'web.keytab')
    await writeFile(path, '# orthrus keytab 1\n', { mode: 0o600 })
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const refused = (hint: RegExp) =>
    expect.objectContaining({ code: 'keytab_invalid', message: expect.stringMatching(hint) })

  it.each([0o600, 0o400])('of mode %o is read', async mode => {
    await chmod(path, mode)
    expect(await readKeytabFile(path)).toBe('# orthrus keytab 1\n')
  })

  it.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666])('of mode %o is refused', async mode => {
    await chmod(path, mode)
    await expect(readKeytabFile(path)).rejects.toEqual(refused(/chmod 600/))
    const allowed = readKeytabFile(path, { allowReadableKeytab: true })
    if ((mode & 0o022) === 0) expect(await allowed).toBe('# orthrus keytab 1\n')
    else await expect(allowed).rejects.toEqual(refused(/changed by others .* chmod go-w/))
  })

  it('is not a symbolic link, unless secrets are mounted as such', async () => {
    const link = join(folder, 'link.keytab')
    await symlink(path, link)
    await expect(readKeytabFile(link)).rejects.toEqual(refused(/symbolic link/))
    expect(await readKeytabFile(link, { allowReadableKeytab: true })).toBe('# orthrus keytab 1\n')
  })

  it('that is missing says how to make one', async () => {
    await expect(readKeytabFile(join(folder, 'none'))).rejects.toEqual(refused(/orthrus admin add/))
  })

  it('is not a folder', async () => {
    await expect(readKeytabFile(folder)).rejects.toEqual(refused(/not a plain file/))
  })

  it('is refused if it is very large', async () => {
    await truncate(path, 2 ** 40)
    await expect(readKeytabFile(path)).rejects.toEqual(refused(/larger/))
  })

  it('is refused on a platform without files', async () => {
    await expect(readWithoutFiles(path)).rejects.toThrow(/there are no files here.*text/)
  })

  it('is not its own text, which the error does not quote', async () => {
    const secret = 'q0HUnfHx4sbqsut9xGSrxvZdsVOlW9FZCUP287Q7Sjv27pMN'
    const line = `orders@demo.example 3 orthruskey1_${secret}`
    const texts = [
      `# orthrus keytab 1\n${line}\n`,
      `# orthrus keytab 1\r\n${line}`,
      line,
      '# orthrus keytab 1',
    ]
    for (const text of texts) {
      for (const read of [readKeytabFile, readWithoutFiles]) {
        const error: unknown = await read(text).catch(error => error)
        expect(error).toBeInstanceOf(TypeError)
        expect(String(error)).toMatch(/pass the text as \{ keytab: \{ text \} \}/)
        expect(inspect(error, { showHidden: true, depth: null })).not.toContain(secret.slice(0, 8))
      }
    }
  })
})
