import { isIPv4 } from 'node:net'
import type { Realm } from '../client/connect.js'
import type { Timeouts } from '../client/connect-options.js'
import type { KeyOverview } from '../client/rotation/key-overview.js'
import type { Ticket } from '../client/ticket/ticket.js'
import type { FollowerRow } from '../shared/administration/revocations.js'
import { OrthrusError } from '../shared/errors.js'
import type { KeytabEntry } from '../shared/keytab/keytab.js'
import { shownUrl } from '../shared/shown-url.js'
import { formatDuration, systemClock } from '../shared/time.js'
import { type ConnectionOptions, kdcTimeOf, withChannel, withRealm } from './connection.js'
import { type Finding, failed, note, ok, wrong } from './doctor-finding.js'
import { clockFinding, rotationFinding } from './doctor-machine.js'
import type { Terminal } from './terminal.js'

/** What `orthrus doctor` finds out by logging in at the KDC. */

export interface CheckedKeys {
  readonly file: string
  readonly text: string
  readonly entries: readonly KeytabEntry[]
}

/** One KDC, as it was found. */
interface Look {
  readonly url: string
  readonly findings: readonly Finding[]
  /** A ticket that it granted for itself, if it let the keytab log in. */
  readonly ticket?: Ticket
  /** Why it did not. */
  readonly cause?: unknown
}

/** Each KDC by itself. What only one has to say, since all have the same data, the first says that lets the keytab log in. */
export async function checkKdcs(
  terminal: Terminal,
  options: ConnectionOptions,
  { urls, ...checked }: CheckedKeys & { readonly urls: readonly string[] },
): Promise<Finding[]> {
  const looks: Look[] = []
  const others = urls.length > 1 ? { timeouts: ONE_OF_SEVERAL } : {}
  for (const url of urls)
    looks.push(await lookAt(terminal, { ...options, kdc: [url] }, { ...checked, url }, others))
  const good = looks.find(({ ticket }) => ticket !== undefined)
  const findings: Finding[] = []
  for (const look of looks) {
    if (look === good || good === undefined) findings.push(...look.findings)
    else findings.push(...(await besides(terminal, options, look, good)))
  }
  return findings
}

/** How long one of several KDCs may take to answer, milliseconds: what needs longer is of little use beside the others. */
const ONE_OF_SEVERAL = { connect: 2_000 } as const

async function lookAt(
  terminal: Terminal,
  options: ConnectionOptions,
  { url, ...checked }: CheckedKeys & { readonly url: string },
  others: { readonly timeouts?: Timeouts },
): Promise<Look> {
  const findings: Finding[] = [encryptionFinding(url)]
  try {
    const look = async (realm: Realm): Promise<Ticket> => {
      const { keyOverview } = await import('../client/rotation/key-overview.js')
      const overview = await keyOverview(realm, checked.text)
      findings.push(ok('kdc', `${shownUrl(url)} answers`), provedFinding(realm))
      findings.push(clockFinding((await kdcTimeOf(realm)) - systemClock.now()))
      findings.push(...keyFindings(overview, checked), followingFinding(realm.client, await rowsOf(realm)))
      return await realm.getServiceTicket('kdc')
    }
    return { url, findings, ticket: await withRealm(terminal, options, look, others) }
  } catch (cause) {
    return { url, findings: [...findings, ...failureFindings(cause, url)], cause }
  }
}

const OTHER_DATA =
  'take it out of the list, or see which data it was started with: all KDCs of a realm have one store'

/** A further KDC beside one that is well: whether it is one of the same realm, with the same data. */
async function besides(
  terminal: Terminal,
  options: ConnectionOptions,
  look: Look,
  good: Look,
): Promise<Finding[]> {
  const [url, other] = [shownUrl(look.url), shownUrl(good.url)]
  const tls = look.findings.filter(({ name, state }) => name === 'tls' && state !== 'ok')
  if (look.ticket === undefined) {
    const isUnproved = look.cause instanceof OrthrusError && look.cause.facts.claimed !== undefined
    if (!isUnproved || look.cause.facts.claimed === 'unavailable') return [...look.findings]
    const text = `${url} refuses, without proof, the key that ${other} takes: it is of another realm, or has other data`
    return [...tls, wrong('kdc', text, OTHER_DATA)]
  }
  if (await takesTicket(terminal, { ...options, kdc: [look.url] }, good.ticket)) {
    return [...tls, ok('kdc', `${url} answers, and has the same data as ${other}`)]
  }
  return [...tls, wrong('kdc', `${url} refuses a ticket of ${other}: it has other data`, OTHER_DATA)]
}

/** Whether a KDC opens a ticket that another one granted. A copy that was restored elsewhere has other keys for that. */
async function takesTicket(
  terminal: Terminal,
  options: ConnectionOptions,
  ticket: Ticket | undefined,
): Promise<boolean> {
  const { openKdcChannel } = await import('../client/channel/kdc-channel.js')
  return await withRealm(terminal, options, async realm => {
    try {
      const channel = await openKdcChannel(realm, ticket === undefined ? {} : { ticket })
      channel.close()
      return true
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
      return false
    }
  })
}

/** A KDC that refuses the login does answer. */
function failureFindings(cause: unknown, url: string): Finding[] {
  const next = 'look at the log of the KDC'
  const isAnswer = cause instanceof OrthrusError && cause.facts.time !== undefined
  if (!isAnswer) return [failed('kdc', cause, next)]
  return [ok('kdc', `${shownUrl(url)} answers`), failed('login', cause, next)]
}

function encryptionFinding(url: string): Finding {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'wss:') return ok('tls', 'the connection to the KDC is encrypted by TLS')
  const isLocal =
    hostname === 'localhost' || (isIPv4(hostname) && hostname.startsWith('127.')) || hostname === '[::1]'
  if (isLocal) return ok('tls', 'the KDC is on this machine, so none is needed')
  return note(
    'tls',
    'the connection to the KDC is without TLS: nobody can use what they hear, but names are seen, and logins by password and join codes are refused',
    'put a proxy with TLS in front of the KDC, and write wss://',
  )
}

function provedFinding({ realm, client }: Realm): Finding {
  return ok('realm', `${realm} is proved: whoever answered has the key of ${client}`)
}

function keyFindings({ keys, due, now }: KeyOverview, { file, entries }: CheckedKeys): Finding[] {
  const [newest] = entries
  const dead = keys.filter(({ state }) => state === 'dead').map(({ kvno }) => kvno)
  const current = keys.find(({ state }) => state === 'current')
  const age =
    current?.createdAt == null ? '' : `, ${formatDuration(Math.max(0, now - current.createdAt))} old`
  const known =
    current === undefined
      ? wrong(
          'kvno',
          `the KDC has another current key of ${newest?.principal} than this keytab`,
          'use its newest keytab, or bring it a key: orthrus admin invite NAME',
        )
      : ok('kvno', `${current.kvno} is the current one at the KDC${age}`)
  const stale = note(
    'kvno',
    `the KDC no longer has kvno ${dead.join(', ')} of this keytab`,
    `to take out what nobody needs: orthrus keytab refresh ${file}`,
  )
  return [known, ...(dead.length === 0 ? [] : [stale]), rotationFinding(due, now, file)]
}

/** From where this principal follows what is revoked, as the KDC sees it. */
async function rowsOf(realm: Realm): Promise<readonly FollowerRow[]> {
  const { client } = realm
  const question = { client, service: client, at: null, method: null, path: null }
  const told = await withChannel(realm, administration => administration.why(question))
  return told.followers
}

/** @param rows the processes that follow as the client, or did */
export function followingFinding(client: string, rows: readonly FollowerRow[]): Finding {
  const connected = rows.filter(row => row.connected)
  const addresses = new Set(connected.map(({ address }) => address))
  if (addresses.size <= 1) return feedFinding(client, rows, connected[0])
  return wrong(
    'second process',
    `${client} is served from ${[...addresses].join(' and ')}: each accepts a replay of what another accepted`,
    'give each machine a principal of its own, as orders/1 and orders/2, or share a replay cache: docs/several-processes.md',
  )
}

/** As long as a service without an answer accepts tickets, unless its owner chose another time (`maxStaleness`). */
const SILENT_MAX = 10 * 60_000

function feedFinding(client: string, rows: readonly FollowerRow[], one: FollowerRow | undefined): Finding {
  if (one !== undefined) {
    const heard = `${one.address}, last heard ${formatDuration(one.silentFor)} ago`
    const behind = one.sent - one.seen
    if (behind > 0) return note('feed', `${heard}, has yet to apply ${behind} revocations`)
    return ok('feed', `followed from ${heard}, with everything that is revoked`)
  }
  const [left] = rows
  if (left === undefined) {
    const start = 'if it is a service, start it with loadService({ keytab, kdc })'
    return note('feed', `nobody follows what is revoked as ${client}, which a client need not`, start)
  }
  const ago = formatDuration(left.silentFor)
  const text = `a process at ${left.address} followed as ${client}, and was last heard ${ago} ago`
  const next = 'see whether the service runs, and reaches the KDC: its log says so'
  return left.silentFor < SILENT_MAX
    ? note('feed', text, next)
    : wrong('feed', `${text}: if it still runs, it refuses every ticket by now`, next)
}
