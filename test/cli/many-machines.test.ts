import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { joinEtcdStore } from '../../kdc/store/etcd/store.js'
import { type TemporaryFolder, temporaryFolder } from '../end-to-end/processes.js'
import { snippetsOf } from '../end-to-end/snippets.js'
import { EtcdHouse, hasEtcdctl } from '../support/etcd.js'
import { runCommand } from './run-command.js'

/** The commands of docs/many-machines.md, on an etcd of this machine. */

const PASSWORD = 'the password of the test'
const AS_ROOT = ['--user', 'root:root']

/** The lines of the one block that has this command. */
function block(command: string): string[] {
  const found = snippetsOf('docs/many-machines.md').filter(({ code }) => code.includes(command))
  expect(found.length, command).toBe(1)
  const lines = found[0]?.code.trim().split('\n') ?? []
  return lines.map(line => line.replace(/ +#.*/, ''))
}

describe.runIf(hasEtcdctl)('the commands of docs/many-machines.md', () => {
  let house: EtcdHouse
  let home: TemporaryFolder
  beforeAll(async () => {
    house = await EtcdHouse.start()
    home = await temporaryFolder()
  })
  afterAll(async () => {
    await house?.end()
    await home?.remove()
  })

  /** What is told of three machines is true of this one. */
  async function type(line: string, folder: string, place = '/orthrus/demo.example'): Promise<void> {
    const here = line
      .replace(
        /etcds:\/\/[^/]+\/orthrus\/demo\.example/,
        `${house.endpoints[0]?.replace('http', 'etcd')}${place}`,
      )
      .replace('/etc/orthrus/etcd-password', 'etcd-password')
    const [program, ...args] = here.split(/ +/)
    if (program === 'etcdctl') {
      // It asks for the password of a new user, unless that stands behind the name.
      const [last = ''] = args.slice(-1)
      const isUser = args[0] === 'user' && args[1] === 'add'
      await house.operate(...args.slice(0, -1), isUser ? `${last}:${PASSWORD}` : last)
      return
    }
    // A KDC would not end.
    const words = args[0] === 'kdc' ? [...args, '--print-config'] : args
    const before = process.cwd()
    process.chdir(folder)
    try {
      expect(await runCommand(words), line).toMatchObject({ code: 0, err: '' })
    } finally {
      process.chdir(before)
    }
  }

  async function folderNamed(name: string): Promise<string> {
    await mkdir(join(home.folder, name))
    return join(home.folder, name)
  }

  it('make a realm, and start its KDCs', async () => {
    const folder = await folderNamed('made')
    for (const line of block('orthrus init')) await type(line, folder)
  })

  it('move one there', async () => {
    const folder = await folderNamed('moved')
    await type('orthrus init demo.example', folder)
    for (const line of block('orthrus migrate')) await type(line, folder, '/orthrus/moved.example')
  })

  it('make a user of etcd, who may do all that a KDC does and see nothing else', async () => {
    const folder = await folderNamed('users')
    await writeFile(join(folder, 'etcd-password'), `${PASSWORD}\n`, { mode: 0o600 })
    for (const line of block('etcdctl role add')) await type(line, folder)
    await house.operate('user', 'add', 'root:root')
    await house.operate('user', 'grant-role', 'root', 'root')
    await house.operate('auth', 'enable')
    try {
      const etcd = house.client({ user: { name: 'orthrus', password: PASSWORD } })
      const store = await joinEtcdStore({ etcd, prefix: '/orthrus/demo.example/' })
      expect(store.replica?.isCurrent()).toBe(true)
      await store.requireWritable?.()
      const elsewhere = etcd.range({ key: '/orthrus/moved.example/realm/realm' })
      await expect(elsewhere).rejects.toMatchObject({ message: expect.stringMatching(/permission denied/) })
      await store.close()
    } finally {
      await house.operate(...AS_ROOT, 'auth', 'disable')
    }
  })
})
