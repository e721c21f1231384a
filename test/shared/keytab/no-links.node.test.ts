import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { KEYTAB_FILE } from '../../../shared/keytab/private-file.js'
import { reservePrivateFile } from '../../../shared/keytab/private-file.node.js'

/** A file system without hard links, as FAT is. */

vi.mock('node:fs/promises', async original => ({
  ...(await original<typeof import('node:fs/promises')>()),
  link: () => Promise.reject(Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM' })),
}))

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-no-links-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('is recognised before a key is made that could not be written, and the next step is said', async () => {
  await expect(reservePrivateFile(KEYTAB_FILE, join(folder, 'web.keytab'))).rejects.toMatchObject({
    code: 'keytab_invalid',
    message: expect.stringMatching(/EPERM .*a file system without hard links.*write the file elsewhere/),
  })
  expect(await readdir(folder)).toEqual([])
})
