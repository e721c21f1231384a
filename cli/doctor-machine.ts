import { readdir, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { keyHolders } from '../service/lock/key-holders.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../shared/keytab/keytab.js'
import { parsePrincipal } from '../shared/principal.js'
import { formatDuration, MINUTE } from '../shared/time.js'
import { type Finding, failed, note, ok, wrong } from './doctor-finding.js'

/** What `orthrus doctor` finds out about the machine and the keytab, without the KDC. */

/** The oldest version of Node that the package runs on. */
const NODE_MIN = [20, 19] as const

/** @param version as `process.versions.node` gives it */
export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isOld = major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])
  if (!isOld) return ok('node', `version ${version}`)
  return wrong('node', `version ${version} is too old`, `run Node ${NODE_MIN.join('.')} or newer`)
}

export interface KeytabOptions {
  readonly principal?: string | undefined
  readonly allowReadableKeytab?: boolean | undefined
}

/** The keytab as far as it can be used, and what was found out about it. */
export interface CheckedKeytab {
  readonly findings: readonly Finding[]
  /** The text, and the keys of its one principal, the newest first. */
  readonly keytab: { readonly text: string; readonly entries: readonly KeytabEntry[] } | undefined
}

/** Mode, owner, age and form. @param now this machine's clock, milliseconds */
export async function checkKeytab(file: string, options: KeytabOptions, now: number): Promise<CheckedKeytab> {
  const { readKeytabFile } = await import('#keytab-file')
  const { allowReadableKeytab = false, principal } = options
  const findings: Finding[] = []
  try {
    const text = await readKeytabFile(file, { allowReadableKeytab })
    findings.push(await fileFinding(file, now), ...(await folderFindings(file)))
    const name = principal === undefined ? undefined : parsePrincipal(principal)
    const entries = selectPrincipal(parseKeytab(text, file), name, file)
    const kvnos = entries.map(({ kvno }) => kvno).join(', ')
    findings.push(ok('keys', `${entries[0]?.principal}, kvno ${kvnos}`))
    return { findings, keytab: { text, entries } }
  } catch (cause) {
    return { findings: [...findings, failed('keytab', cause, `look at ${file}`)], keytab: undefined }
  }
}

async function fileFinding(file: string, now: number): Promise<Finding> {
  const { mode, uid, mtimeMs } = await stat(file)
  const age = formatDuration(Math.max(0, now - mtimeMs))
  return ok('keytab', `${file}, mode ${(mode & 0o777).toString(8)}, uid ${uid}, changed ${age} ago`)
}

/** What stands beside a keytab while it is changed, and stays where a process was killed. */
const LEFT_OVER = /^\.(?:[0-9a-f]{12}\.tmp(?:\.link)?|lock)$/

const OTHERS_WRITE = 0o022
const STICKY = 0o1000

async function folderFindings(file: string): Promise<Finding[]> {
  const [folder, base] = [dirname(file), basename(file)]
  const { mode } = await stat(folder)
  const isOpen = process.getuid !== undefined && (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0
  const open = isOpen
    ? [
        wrong(
          'folder',
          `others can write into ${folder}, so they can put another keytab in place of this one`,
          `chmod go-w ${folder}`,
        ),
      ]
    : []
  const names = await readdir(folder)
  const left = names.filter(name => name.startsWith(base) && LEFT_OVER.test(name.slice(base.length)))
  return [
    ...open,
    ...left.map(name =>
      note(
        'left over',
        `${name} stands beside the keytab: a process changes it right now, or was killed while it did`,
        'if it stays, nothing is to be done: the next change of the keytab takes it away',
      ),
    ),
  ]
}

/** Which processes of this machine serve under the newest key. */
export async function processFinding(entries: readonly KeytabEntry[]): Promise<Finding[]> {
  const [newest] = entries
  if (newest === undefined) return []
  const holders = await keyHolders(newest.key)
  if (holders === undefined)
    return [note('process', 'this system does not tell which process serves under a key')]
  const [first, ...others] = holders
  if (first === undefined)
    return [ok('process', `no process of this machine serves under kvno ${newest.kvno}`)]
  const all = [first, ...others].join('; ')
  const how = others.length === 0 ? 'serves' : 'serve'
  return [
    ok('process', `${all} ${how} under kvno ${newest.kvno}: no other one can without sharing a replay cache`),
  ]
}

/** How far two clocks may be apart, milliseconds: a service accepts nothing stamped further ahead. */
const APART_MAX = 5_000
const APART_NOTED = 1_000

/** @param apart how far the KDC's clock is ahead of this machine's, milliseconds */
export function clockFinding(apart: number): Finding {
  const size = Math.abs(apart)
  const shown = size < 10_000 ? `${Math.round(size)} ms` : formatDuration(size)
  const text = `this machine's clock is ${shown} ${apart >= 0 ? 'behind' : 'ahead of'} the KDC's`
  if (size < APART_NOTED) return ok('clock', text)
  const next = 'set the clock that is wrong, as with: timedatectl set-ntp true'
  if (size < APART_MAX) return note('clock', text, next)
  return wrong(
    'clock',
    `${text}: clients here correct that by themselves, and a service here refuses requests`,
    next,
  )
}

/** How long a key may be due before somebody must look: a process that changes its key by itself does so within a day. */
const DUE_MAX = 2 * 24 * 60 * MINUTE

/** @param due when the key is due to change, KDC time; null for never */
export function rotationFinding(due: number | null, now: number, file: string): Finding {
  if (due === null) return ok('rotation', 'the realm sets no age at which the key is due to change')
  if (due > now) return ok('rotation', `the key is due to change in ${formatDuration(due - now)}`)
  const text = `the key has been due to change for ${formatDuration(now - due)}`
  const next = `orthrus keytab refresh ${file}`
  return now - due < DUE_MAX ? note('rotation', text, next) : wrong('rotation', text, next)
}
