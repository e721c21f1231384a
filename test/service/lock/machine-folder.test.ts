import { chmod, mkdir, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { machineFolder } from '../../../service/lock/machine-folder.js'
import { temporaryFolder } from '../../end-to-end/processes.js'

async function parent(): Promise<string> {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  return folder
}

describe.skipIf(process.platform === 'win32')('the folder of this user on this machine', () => {
  it('is for nobody else, and the same each time', async () => {
    const folder = await machineFolder(await parent())
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect(await machineFolder(join(folder, '..'))).toBe(folder)
  })

  it('is not taken from somebody who made it first', async () => {
    const [open, linked] = [await parent(), await parent()]
    const name = `orthrus-${process.getuid?.()}`
    await mkdir(join(open, name))
    await chmod(join(open, name), 0o770)
    await expect(machineFolder(open)).rejects.toThrow('not a folder of this user alone')
    await symlink(open, join(linked, name))
    await expect(machineFolder(linked)).rejects.toThrow('not a folder of this user alone')
  })
})
