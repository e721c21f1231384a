import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withGranted } from '../../../client/kept-login/kept-login.js'
import { LoginFolder } from '../../../client/kept-login/login-files.node.js'
import { loginFolder } from '../../../client/kept-login/login-folder.node.js'
import { DEAD_AFTER } from '../../../shared/keytab/watched-holder.node.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { TestClock } from '../../support/clock.js'
import { failureIn } from '../../support/failure.js'
import { ANN, grantFor, LOGIN, START } from '../../support/kept-login.js'
import { quietDisk, watchedDisk } from '../../support/keytab-disk.js'
import { temporaryLogins } from '../../support/logins.js'

/** The files of logins: whose they are, who may read them, and two processes at once. */

const ticket = (name: string) => ({ lifetime: 0, grant: grantFor(name) })
const servicesOf = async (logins: LoginFolder) =>
  (await logins.read(ANN)).tickets.map(({ grant }) => grant.service.split('@')[0]).sort()

describe('the folder of logins', () => {
  it('is the one that the environment names, else that of the session, else that of caches', async () => {
    const { folder } = await temporaryLogins()
    const base = dirname(folder)
    const [run, open, link] = ['run', 'open', 'link'].map(name => join(base, name)) as [
      string,
      string,
      string,
    ]
    await mkdir(run, { mode: 0o700 })
    await mkdir(open)
    await chmod(open, 0o755)
    await symlink(run, link)
    const env = { HOME: '/home/ann', XDG_RUNTIME_DIR: run }
    expect(await loginFolder({ ...env, ORTHRUS_LOGINS: folder }, 'linux')).toBe(folder)
    expect(await loginFolder({ ...env, ORTHRUS_LOGINS: '' }, 'linux')).toBe(join(run, 'orthrus'))
    // Another user's, as after su; one that others enter; a link; a relative path, which is to be ignored.
    for (const runtime of ['/proc/1', open, link, 'run', join(base, 'none')]) {
      const other = { ...env, XDG_RUNTIME_DIR: runtime }
      expect(await loginFolder(other, 'linux'), runtime).toBe('/home/ann/.cache/orthrus/logins')
      expect(await loginFolder({ ...other, XDG_CACHE_HOME: '/c' }, 'linux')).toBe('/c/orthrus/logins')
    }
    expect(await loginFolder({ HOME: '/Users/ann' }, 'darwin')).toBe(
      '/Users/ann/Library/Caches/orthrus/logins',
    )
    expect(await loginFolder({ HOME: '' }, 'linux')).toBeUndefined()
    expect(await loginFolder({ LOCALAPPDATA: '/local' }, 'win32')).toBe('/local/orthrus/logins')
  })

  it('and those of realms are made for their owner alone, and refused if others can enter them', async () => {
    const logins = await temporaryLogins()
    await logins.write(LOGIN)
    const realm = dirname(logins.pathOf(ANN))
    for (const folder of [logins.folder, realm]) {
      expect((await stat(folder)).mode & 0o777).toBe(0o700)
      await chmod(folder, 0o750)
      for (const use of [() => logins.read(ANN), () => logins.write(LOGIN), () => logins.erase(ANN)])
        expect(await failureIn(use)).toMatchObject({
          code: 'login_invalid',
          message: expect.stringContaining(`run: chmod 700 ${folder}`),
        })
      await chmod(folder, 0o700)
    }
    await rename(realm, `${realm}-aside`)
    await symlink(`${realm}-aside`, realm)
    expect(await failureIn(() => logins.read(ANN))).toMatchObject({
      message: expect.stringContaining('is not a folder'),
    })
  })
})

it('a folder of logins that may not be looked at is named, with what to set', async () => {
  const logins = await temporaryLogins()
  const loop = join(dirname(logins.folder), 'loop')
  await symlink(loop, loop)
  expect(await failureIn(() => new LoginFolder(join(loop, 'logins')).list())).toMatchObject({
    code: 'login_invalid',
    message: expect.stringMatching(
      /loop\/logins cannot be looked at: ELOOP \(check HOME .*ORTHRUS_LOGINS=DIR/,
    ),
  })
})

describe('the file of a login', () => {
  it('is one for each realm and name, for its owner alone, and read as it was written', async () => {
    const logins = await temporaryLogins()
    expect(await logins.list()).toEqual([])
    const others = ['ann@other.example', 'a.b@demo.example', 'a/b@demo.example'].map(parsePrincipal)
    await logins.write(LOGIN)
    for (const client of others)
      await writeFile(join(await folderOf(logins, client), nameOf(logins, client)), '')
    expect(await logins.list()).toEqual([...others, ANN].sort())
    expect((await stat(logins.pathOf(ANN))).mode & 0o777).toBe(0o600)
    expect(await logins.read(ANN)).toEqual(LOGIN)
    expect(await logins.erase(ANN)).toBe(true)
    expect(await logins.erase(ANN)).toBe(false)
    expect(await failureIn(() => logins.read(ANN))).toMatchObject({
      code: 'login_invalid',
      message: expect.stringContaining('does not exist (run: orthrus login NAME)'),
    })
  })

  const folderOf = async (logins: LoginFolder, client: Parameters<LoginFolder['pathOf']>[0]) => {
    const folder = dirname(logins.pathOf(client))
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return folder
  }
  const nameOf = (logins: LoginFolder, client: Parameters<LoginFolder['pathOf']>[0]) =>
    logins.pathOf(client).slice(dirname(logins.pathOf(client)).length + 1)

  it('is refused if others can read it, if it is a link, and if it was renamed; a new login replaces it', async () => {
    const logins = await temporaryLogins()
    await logins.write(LOGIN)
    const path = logins.pathOf(ANN)
    const refused = async (message: string) =>
      expect(await failureIn(() => logins.read(ANN))).toMatchObject({
        code: 'login_invalid',
        message: expect.stringContaining(message),
      })
    await chmod(path, 0o640)
    await refused(`can be read or changed by others (mode 640) (run: chmod 600 ${path})`)
    await logins.write(LOGIN)
    const aside = join(logins.folder, 'aside')
    await rename(path, aside)
    await symlink(aside, path)
    await refused('is a symbolic link')
    const before = await readFile(aside, 'utf8')
    await logins.write({ ...LOGIN, tickets: [] })
    // What the link led to was not written.
    expect([await readFile(aside, 'utf8'), (await lstat(path)).isFile()]).toEqual([before, true])
    expect(await logins.read(ANN)).toEqual({ ...LOGIN, tickets: [] })
    const bob = parsePrincipal('bob@demo.example')
    await rename(path, logins.pathOf(bob))
    expect(await failureIn(() => logins.read(bob))).toMatchObject({
      message: expect.stringContaining('is that of ann@demo.example'),
    })
  })

  it('keeps what each of many writers adds at once', async () => {
    const logins = await temporaryLogins()
    await logins.write({ ...LOGIN, tickets: [] })
    const names = Array.from({ length: 8 }, (_, i) => `s${i}`)
    await Promise.all(
      names.map(name =>
        new LoginFolder(logins.folder).amend(ANN, login => withGranted(login, [ticket(name)], START)),
      ),
    )
    expect(await servicesOf(logins)).toEqual(names)
    expect(await readdir(dirname(logins.pathOf(ANN)))).toEqual(['ann.login'])
  })

  it('is whole after a writer was killed, whose lock is taken over and whose leavings go', async () => {
    const { folder } = await temporaryLogins()
    const time = new TestClock()
    const logins = new LoginFolder(folder, { clock: time, timers: time, disk: watchedDisk(() => {}) })
    await logins.write(LOGIN)
    const path = logins.pathOf(ANN)
    // As it was when the writer was killed: its new text half written, in the folder that is the lock.
    await mkdir(`${path}.lock`, { mode: 0o700 })
    const half = join(`${path}.lock`, '00112233aabbccdd')
    await writeFile(half, (await readFile(path, 'utf8')).slice(0, 200), { mode: 0o600 })
    await utimes(half, 1, 1)
    expect(await logins.read(ANN)).toEqual(LOGIN)
    let isOver = false
    const amended = logins
      .amend(ANN, login => withGranted(login, [ticket('more')], START))
      .finally(() => {
        isOver = true
      })
    let waited = 0
    for (; !isOver; waited += 100) {
      await quietDisk()
      await time.elapse(100)
    }
    await amended
    expect(waited).toBeGreaterThanOrEqual(DEAD_AFTER)
    expect(await servicesOf(logins)).toEqual(['billing', 'more', 'orders'])
    expect(await readdir(dirname(path))).toEqual(['ann.login'])
  })

  it('is not made again by who had it when it was erased', async () => {
    const logins = await temporaryLogins()
    await logins.write(LOGIN)
    await logins.erase(ANN)
    const amending = () => logins.amend(ANN, login => withGranted(login, [ticket('more')], START))
    expect(await failureIn(amending)).toBeInstanceOf(Error)
    expect(await logins.list()).toEqual([])
  })

  it('takes what killed processes left of it along when it is erased', async () => {
    const logins = await temporaryLogins()
    await logins.write(LOGIN)
    await writeFile(`${logins.pathOf(ANN)}.00112233aabb.tmp`, 'half of it', { mode: 0o600 })
    await logins.erase(ANN)
    expect(await readdir(logins.folder)).toEqual([])
  })
})
