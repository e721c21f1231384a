import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { tlsIdentity } from '../../cli/tls-files.js'

it.skipIf(process.platform === 'win32')(
  'A certificate that is a pipe or a folder is refused at once, and a large one unread',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'orthrus-tls-'))
    try {
      const at = (name: string) => join(folder, name)
      execFileSync('mkfifo', [at('pipe')])
      await writeFile(at('large'), Buffer.alloc(64 * 1024 + 1))
      const read = (tlsCert: string) => tlsIdentity({ tlsCert, tlsKey: at('none') })
      await expect(read(at('pipe'))).rejects.toThrow('is not a plain file')
      await expect(read(folder)).rejects.toThrow('is not a plain file')
      await expect(read(at('large'))).rejects.toThrow('is larger than 65536 bytes')
      await expect(read(at('none'))).rejects.toThrow('cannot be read: ENOENT')
    } finally {
      await rm(folder, { recursive: true })
    }
  },
)
