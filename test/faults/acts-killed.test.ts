import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startKdc as startHere } from '../../kdc/main.js'
import { encodePolicyRule } from '../../shared/administration/rules.js'
import { type Outcome, runCommand } from '../cli/run-command.js'
import { root, startKdc } from '../end-to-end/processes.js'
import { seededChance } from '../support/chance.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { ruleOf } from '../support/realm.js'
import { deathIn, dyingEnvironment, type Steps, startDying, sweepSteps } from './dying.js'

/**
 * A KDC killed with -9 at any step of an act of administration, and a command at any step of what it makes: each act is
 * whole or was never made, it is whole if it was acknowledged, and the same command again makes it. `npm test` tries one
 * step of one act, ORTHRUS_SLOW=1 all steps of all of them.
 */

const CLI = join(root, 'dist/cli/orthrus.js')
const slow = process.env.ORTHRUS_SLOW === '1'

let realm: FaultRealm
let keytab: string
let number = 0
beforeEach(async () => {
  realm = await makeRealm(['web', 'orders', 'billing'], [['web', 'orders']])
  keytab = join(realm.folder, 'admin')
  await writeFile(keytab, realm.keytab('admin'), { mode: 0o600 })
  // It makes the audit log.
  await (await startHere({ dataDirectory: realm.data, listen: { port: 0 } })).close()
}, 60_000)
afterEach(() => realm.remove())

const POLICY = `# orthrus policy 1
realm demo.example

group backend orders billing
allow web orders --claim role=reader
allow @backend billing
deny billing web
`

interface Act {
  readonly command: (folder: string) => readonly string[]
  readonly steps?: Steps
  /** Makes of the data what the act finds. It takes seconds. */
  readonly prepare?: (data: string) => Promise<void>
  /** What it says if it was made already. */
  readonly done?: RegExp
}

/** To begin, to read the answer, and a commit with the lines before and after it. */
const ACT: Steps = { send: 3, receive: 3, commit: 1, committed: 1, 'file write': 2, 'file datasync': 1 }

/** The least that an audit log may have, in sixteen files. */
const AUDIT = { maxBytes: 2 ** 20 }
const AUDIT_FILES = 16
const AUDIT_FILE_BYTES = AUDIT.maxBytes / AUDIT_FILES

/** Until there is one file more than may be, and that is all but full. */
async function fillLog(data: string): Promise<void> {
  const kdc = await startHere({ dataDirectory: data, listen: { port: 0 }, audit: AUDIT })
  const folder = join(data, 'audit')
  for (let i = 0; ; i++) {
    const rule = encodePolicyRule(ruleOf('web', 'filling', { claims: [['i', i]] }))
    await kdc.administration.call('allow', rule)
    const files = (await readdir(folder)).filter(name => name.endsWith('.jsonl')).sort()
    const { size } = await stat(join(folder, files.at(-1) ?? ''))
    if (files.length > AUDIT_FILES && size > AUDIT_FILE_BYTES - 2_000) break
  }
  await kdc.close()
}

const ACTS: Readonly<Record<string, Act>> = {
  'apply a policy': { command: folder => ['admin', 'policy', 'apply', join(folder, 'policy')] },
  'put two into a group': { command: () => ['admin', 'group', 'add', 'team', 'web', 'orders'] },
  'survive an outage': { command: () => ['admin', 'realm', '--survive', '24h'] },
  'allow with a rate and an end': {
    command: () => ['admin', 'allow', 'web', 'billing', '--rate', '600/m', '--until', '2099-01-01'],
  },
  'disable a client': { command: () => ['admin', 'disable', 'web'] },
  'remove a client': { command: () => ['admin', 'remove', 'web'], done: /there is no principal/ },
  'change the key of krbtgt': { command: () => ['admin', 'rotate', 'krbtgt'] },
  'begin another file of the audit log, and remove the oldest': {
    command: () => ['admin', 'allow', 'web', 'billing'],
    steps: { ...ACT, open: 2, 'file datasync': 3, unlink: 1 },
    prepare: fillLog,
  },
  'revoke the tickets of a client': { command: () => ['admin', 'revoke', 'client', 'web'] },
}

async function dataCopy(): Promise<string> {
  const data = join(realm.folder, `copy-${++number}`)
  await cp(realm.data, data, { recursive: true })
  return data
}

/** What the realm is, as a KDC tells it that starts on the data; without times. */
async function stateOf(data: string): Promise<string> {
  const kdc = await startHere({ dataDirectory: data, listen: { port: 0 }, audit: AUDIT })
  const tell = async (...command: string[]) => (await act(kdc.url, command)).out
  const told = [
    await tell('admin', 'policy', 'export'),
    await tell('admin', 'list'),
    await tell('admin', 'realm', '--json'),
  ]
  await kdc.close()
  const { counts } = JSON.parse((await runCommand(['check', '--data', data, '--json'])).out) as {
    counts: object
  }
  return [...told, JSON.stringify(counts)].join('\n')
}

async function act(url: string, command: readonly string[]): Promise<Outcome> {
  return runCommand(command, { env: { ORTHRUS_KDC: url, ORTHRUS_KEYTAB: keytab } })
}

async function requireSound(data: string): Promise<void> {
  const checked = await runCommand(['check', '--data', data, '--json'])
  expect(checked).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(checked.out)).toMatchObject({ found: 0 })
  expect(await runCommand(['audit', 'verify', '--data', data])).toMatchObject({ code: 0, err: '' })
}

const picked = <T>(all: readonly T[], chance = seededChance('which act is killed')): readonly T[] =>
  slow ? all : [chance.pick(all)]

describe('a KDC killed with -9 while it is to', { timeout: 1_200_000 }, () => {
  it.each(picked(Object.entries(ACTS).filter(([, { prepare }]) => slow || prepare === undefined)))(
    '%s has done all of it or nothing',
    async (name, one) => {
      await writeFile(join(realm.folder, 'policy'), POLICY)
      await one.prepare?.(realm.data)
      const command = one.command(realm.folder)
      const before = await stateOf(await dataCopy())
      const whole = await dataCopy()
      const calm = await startHere({ dataDirectory: whole, listen: { port: 0 }, audit: AUDIT })
      expect(await act(calm.url, command)).toMatchObject({ code: 0 })
      await calm.close()
      const after = await stateOf(whole)
      expect(after).not.toBe(before)
      await sweepSteps(seededChance(`kills of a KDC that is to ${name}`), one.steps ?? ACT, async step => {
        const data = await dataCopy()
        const env = Object.entries(dyingEnvironment(step)).map(([key, value]) => `${key}=${value}`)
        const kdc = await startKdc(realm.folder, data, ['env', ...env], ['--audit-max-size', '1M'])
        const first = await act(kdc.url, command)
        await kdc.end('SIGKILL')
        await requireSound(data)
        const found = await stateOf(data)
        expect(first.code === 0 ? [after] : [before, after]).toContain(found)
        const next = await startHere({ dataDirectory: data, listen: { port: 0 }, audit: AUDIT })
        const again = await act(next.url, command)
        await next.close()
        if (again.code !== 0)
          expect([found, again.err]).toEqual([after, expect.stringMatching(one.done ?? /^$/)])
        await requireSound(data)
        const death = deathIn(kdc.log())
        await rm(data, { recursive: true })
        return death
      })
    },
  )
})

describe('a command killed with -9', { timeout: 1_200_000 }, () => {
  it.runIf(slow)('that makes a realm has made it, or the next one does', async () => {
    const steps: Steps = { mkdir: 1, open: 3, link: 1, 'file sync': 3, commit: 1, committed: 1 }
    await sweepSteps(seededChance('kills of an init'), steps, async step => {
      const data = join(realm.folder, `made-${++number}`)
      const init = ['init', 'new.example', '--data', data]
      const death = await startDying({ args: [CLI, ...init], cwd: realm.folder, step }).done
      const again = await runCommand(init)
      if (again.code !== 0) expect(again.err).toContain('has a realm already')
      expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'db', 'master.key'])
      const kdc = await startHere({ dataDirectory: data, listen: { port: 0 }, audit: false })
      const list = ['admin', 'list', '--keytab', join(data, 'admin.keytab')]
      expect(await runCommand(list, { env: { ORTHRUS_KDC: kdc.url } })).toMatchObject({ code: 0 })
      await kdc.close()
      return death
    })
  })

  it.runIf(slow)('that writes a backup leaves a whole one or none, and the next one is made', async () => {
    const steps: Steps = { open: 1, 'file write': 1, 'file sync': 1, link: 1 }
    await sweepSteps(seededChance('kills of a backup'), steps, async step => {
      const folder = join(realm.folder, `backups-${++number}`)
      await mkdir(folder, { mode: 0o700 })
      const file = join(folder, 'one.backup')
      const args = [CLI, 'backup', file, '--data', realm.data]
      const death = await startDying({ args, cwd: realm.folder, step }).done
      const key = ['--master-key-file', join(realm.data, 'master.key')]
      const made = (await readdir(folder)).includes('one.backup')
      if (made) expect(await runCommand(['check', file, ...key])).toMatchObject({ code: 0, err: '' })
      const second = join(folder, 'two.backup')
      expect(await runCommand(['backup', second, '--data', realm.data])).toMatchObject({ code: 0 })
      expect(await runCommand(['check', second, ...key])).toMatchObject({ code: 0, err: '' })
      expect((await readFile(second)).length).toBeGreaterThan(100)
      return death
    })
  })
})
