import {
  appendFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { KEYTAB_FILE, MASTER_KEY_FILE } from '../../../shared/keytab/private-file.js'
import {
  readPrivateFile,
  reservePrivateFile,
  writePrivateFile,
} from '../../../shared/keytab/private-file.node.js'
import { HOUR } from '../../../shared/time.js'

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-private-'))
  path = join(folder, 'web.keytab')
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true, force: true })
})

const refused = (said: RegExp) =>
  expect.objectContaining({ code: 'keytab_invalid', final: true, message: expect.stringMatching(said) })

/** The file's one temporary name. */
async function temporaryName(): Promise<string> {
  const [name = '', ...more] = (await readdir(folder)).filter(name => name.endsWith('.tmp'))
  expect(more).toEqual([])
  return join(folder, name)
}

describe('a private file that is made', () => {
  it('is whole, for its owner only whatever the umask is, and leaves nothing beside it', async () => {
    const before = process.umask(0o277)
    try {
      await writePrivateFile(KEYTAB_FILE, path, 'secret')
    } finally {
      process.umask(before)
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readFile(path, 'utf8')).toBe('secret')
    expect(await readdir(folder)).toEqual(['web.keytab'])
  })

  it('shows nothing of the key to somebody who puts a file or a link in the place of the temporary one', async () => {
    for (const theirs of ['file', 'link']) {
      const place = await reservePrivateFile(KEYTAB_FILE, path)
      const temporary = await temporaryName()
      await rename(temporary, join(folder, 'moved'))
      const stolen = join(folder, 'stolen')
      await writeFile(stolen, '')
      if (theirs === 'file') await rename(stolen, temporary)
      else await symlink(stolen, temporary)
      await expect(place.write('secret')).rejects.toEqual(
        refused(/is another file than the one that was written .*somebody else/),
      )
      for (const name of await readdir(folder)) {
        if (name !== 'moved') expect(await readFile(join(folder, name), 'utf8')).toBe('')
      }
      await rm(path)
      await rm(stolen, { force: true })
      await rm(join(folder, 'moved'))
    }
  })

  it('replaces nothing that has its name already or gets it meanwhile', async () => {
    await symlink(join(folder, 'nowhere'), path)
    await expect(reservePrivateFile(KEYTAB_FILE, path)).rejects.toEqual(
      refused(/exists already .*name another file/),
    )
    await rm(path)
    const place = await reservePrivateFile(MASTER_KEY_FILE, path)
    await writeFile(path, 'theirs')
    await expect(place.write('secret')).rejects.toEqual(refused(/exists already .*never written over/))
    expect(await readFile(path, 'utf8')).toBe('theirs')
    expect(await readdir(folder)).toEqual(['web.keytab'])
  })

  it('leaves nothing if it is abandoned, however often', async () => {
    const place = await reservePrivateFile(KEYTAB_FILE, path)
    await place.abandon()
    await place.abandon()
    expect(await readdir(folder)).toEqual([])
  })

  it('removes what one that was killed left long ago, and nothing else', async () => {
    const others = ['web.keytab.0123456789ab.tmp', 'web.keytab.0123456789ac.tmp', 'web.keytab.bak', 'x.tmp']
    for (const name of others) await writeFile(join(folder, name), 'secret')
    const old = new Date(Date.now() - 2 * HOUR)
    for (const name of others.slice(1)) await utimes(join(folder, name), old, old)
    await writePrivateFile(KEYTAB_FILE, path, 'new')
    expect((await readdir(folder)).sort()).toEqual([
      'web.keytab',
      'web.keytab.0123456789ab.tmp',
      'web.keytab.bak',
      'x.tmp',
    ])
  })

  it('says why it cannot be made', async () => {
    const said = refused(/could not be written: ENOENT \(check that the folder .*none exists/)
    await expect(reservePrivateFile(KEYTAB_FILE, join(folder, 'none', 'a'))).rejects.toEqual(said)
  })
})

describe('a private file that is read', () => {
  it('is refused to everybody, root included, if it belongs to another user', async () => {
    await writePrivateFile(KEYTAB_FILE, path, 'text')
    const { uid } = await stat(path)
    vi.spyOn(process, 'getuid').mockReturnValue(uid + 4711)
    // A file of root's is accepted for everybody.
    if (uid === 0) expect(await readPrivateFile(KEYTAB_FILE, path)).toBe('text')
    else await expect(readPrivateFile(KEYTAB_FILE, path)).rejects.toEqual(refused(/another user/))
  })

  it('may be mounted as Kubernetes does it, if that is allowed', async () => {
    const version = join(folder, '..2026_01_01')
    await mkdir(version)
    await writeFile(join(version, 'web.keytab'), 'text', { mode: 0o440 })
    await symlink('..2026_01_01', join(folder, '..data'))
    await symlink('..data/web.keytab', path)
    for (const kind of [KEYTAB_FILE, MASTER_KEY_FILE]) {
      await expect(readPrivateFile(kind, path)).rejects.toEqual(refused(/symbolic link .*--allow-readable-/))
      expect(await readPrivateFile(kind, path, { allowReadable: true })).toBe('text')
    }
    expect((await lstat(path)).isSymbolicLink()).toBe(true)
  })

  it('is read no further than what was checked', async () => {
    await writePrivateFile(KEYTAB_FILE, path, 'a'.repeat(KEYTAB_FILE.sizeMax))
    expect(await readPrivateFile(KEYTAB_FILE, path)).toHaveLength(KEYTAB_FILE.sizeMax)
    await appendFile(path, 'a')
    await expect(readPrivateFile(KEYTAB_FILE, path)).rejects.toEqual(refused(/larger than 1048576 bytes/))
  })
})
