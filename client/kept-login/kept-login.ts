import { equalBytes } from '#primitives'
import { base64urlBytes, concatBytes, toBase64url } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { checkOf } from '../../shared/crypto/check.js'
import { decode, encode, type Value } from '../../shared/encoding/encoding.js'
import { fields, nullable, numberOf, principalOf, textOf, textsOf } from '../../shared/encoding/fields.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import {
  decodePasswordParameters,
  encodePasswordParameters,
  type PasswordParameters,
} from '../../shared/exchange/params.js'
import { invalidFile, LOGIN_FILE } from '../../shared/keytab/private-file.js'
import { localPart, type Principal, realmOf, ticketGrantingService } from '../../shared/principal.js'
import { decodeGrant, encodeGrant, type Grant } from '../../shared/ticket/grant.js'
import { decodeInnerTicket } from '../../shared/ticket/ticket.js'

/**
 * The login of a person as a text: a TGT, and the tickets that were had with it (docs/people.md). It has their keys, so it
 * is kept in a private file.
 */

export interface KeptTicket {
  /** What was asked for, milliseconds; 0 the most allowed. */
  readonly lifetime: number
  readonly grant: Grant
}

export interface KeptLogin {
  /** 32 hex digits, drawn at the login: tells tickets of this login from those of an earlier or a later one. */
  readonly id: string
  readonly client: Principal
  /** Where the login was made, and where its tickets come from. */
  readonly kdc: readonly string[]
  /** How the password became the key, so that a change is noticed at the next login. */
  readonly parameters: PasswordParameters | null
  readonly tgt: Grant
  readonly tickets: readonly KeptTicket[]
}

/** Tuning: how many tickets are kept, and how many characters they may take. */
const TICKETS_MAX = 100
const TICKETS_SIZE_MAX = 512 * 1024
/** Where a realm has its KDCs: more URLs, or longer ones, are nobody's. */
const URLS_MAX = 32

export const FIRST_LINE = '# orthrus login '
const VERSION = '1'
const LOGIN_PREFIX = 'orthruslogin1_'
const TICKET_PREFIX = 'orthrusticket1_'

/** Whether the text is a login or a part of one, even if it is damaged. */
export function looksLikeLogin(text: string): boolean {
  return text.startsWith(FIRST_LINE)
}

/** Of the tickets, those are kept that end last. */
export function formatLogin(login: KeptLogin): string {
  const { id, client, kdc, parameters, tgt } = login
  const words = parameters === null ? null : encodePasswordParameters(parameters)
  const lines = [lineOf(LOGIN_PREFIX, [id, client, [...kdc], words, encodeGrant(tgt)])]
  const latest = [...login.tickets].sort((a, b) => b.grant.endTime - a.grant.endTime)
  let size = 0
  for (const { lifetime, grant } of latest.slice(0, TICKETS_MAX)) {
    const line = lineOf(TICKET_PREFIX, [lifetime, encodeGrant(grant)])
    size += line.length
    if (size <= TICKETS_SIZE_MAX) lines.push(line)
  }
  return `${FIRST_LINE}${VERSION}\n${lines.join('\n')}\n`
}

/** The check at its end tells a line that was cut off or edited from one that is whole. */
export function lineOf(prefix: string, values: readonly Value[]): string {
  const array = encode(values)
  return prefix + toBase64url(concatBytes(array, checkOf(array)))
}

/**
 * @param path the file that the text is from, named in errors
 * @throws OrthrusError `login_invalid`, which quotes nothing of it
 */
export function parseLogin(text: string, path: string): KeptLogin {
  const [first = '', login, ...tickets] = linesOf(text, path)
  requireVersion(first, path)
  if (login === undefined) throw damagedLogin(path, 'there is no login in it')
  try {
    return withTickets(decodeLogin(arrayOf(login, LOGIN_PREFIX)), tickets)
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw damagedLogin(path, cause.reason)
  }
}

function linesOf(text: string, path: string): string[] {
  if (!text.endsWith('\n')) throw damagedLogin(path, 'it was cut off')
  // One login, and as many tickets as are written: more would only take memory.
  return text.slice(0, -1).split('\n', TICKETS_MAX + 3)
}

function requireVersion(first: string, path: string): void {
  if (first === FIRST_LINE + VERSION) return
  const other = first.startsWith(FIRST_LINE) && /^[0-9]{1,6}$/.test(first.slice(FIRST_LINE.length))
  if (!other) throw damagedLogin(path, 'its first line is not that of a login')
  throw invalidFile(
    LOGIN_FILE,
    path,
    `is of another version of Orthrus: it begins with ${JSON.stringify(first)}`,
    'use the version that wrote it, or log in with this one: orthrus login NAME',
  )
}

/** @throws OrthrusError `malformed` */
export function arrayOf(line: string, prefix: string): Value[] {
  if (!line.startsWith(prefix)) throw malformed('a line is of another kind')
  const bytes = base64urlBytes(line.slice(prefix.length))
  if (bytes === undefined || bytes.length < SIZE.CHECK) throw malformed('a line was cut off')
  const array = bytes.subarray(0, bytes.length - SIZE.CHECK)
  if (!equalBytes(checkOf(array), bytes.subarray(array.length))) throw malformed('a line was edited')
  return decode(array)
}

function decodeLogin(values: readonly Value[]): Omit<KeptLogin, 'tickets'> {
  const [id, client, kdc, parameters, tgt] = fields(values, 5)
  const login = {
    id: textOf(id),
    client: principalOf(client),
    kdc: textsOf(kdc, URLS_MAX),
    parameters: nullable(parameters, decodePasswordParameters),
    tgt: grantOf(tgt),
  }
  if (!/^[0-9a-f]{32}$/.test(login.id)) throw malformed('its id is none')
  if (login.kdc.length === 0) throw malformed('it names no KDC')
  const expected = ticketGrantingService(realmOf(login.client))
  if (login.tgt.service !== expected) throw malformed('its ticket is not a TGT of its realm')
  return login
}

function withTickets(login: Omit<KeptLogin, 'tickets'>, lines: readonly string[]): KeptLogin {
  if (lines.length > TICKETS_MAX) throw malformed('it has too many tickets')
  const tickets = lines.map(line => {
    const [lifetime, grant] = fields(arrayOf(line, TICKET_PREFIX), 2)
    return { lifetime: numberOf(lifetime), grant: grantOf(grant) }
  })
  const realm = realmOf(login.client)
  if (tickets.some(({ grant }) => realmOf(grant.service) !== realm))
    throw malformed('a ticket is of another realm')
  return { ...login, tickets }
}

/** A copy, since views of the line would keep all of it in memory. */
function grantOf(value: Value | undefined): Grant {
  const grant = decodeGrant(value)
  if (grant.startTime > grant.endTime) throw malformed('a ticket ends before it begins')
  if (decodeInnerTicket(grant.ticket).service !== grant.service)
    throw malformed('a ticket is for another service than it says')
  return { ...grant, ticket: grant.ticket.slice(), ticketId: grant.ticketId.slice() }
}

export function damagedLogin(path: string, reason: string): OrthrusError {
  return invalidFile(LOGIN_FILE, path, `cannot be used: ${reason}`, 'write it again: orthrus login NAME')
}

/** The login with these tickets too, without any that has ended. @param now milliseconds of KDC time */
export function withGranted(login: KeptLogin, granted: readonly KeptTicket[], now: number): KeptLogin {
  const tickets = new Map<string, KeptTicket>()
  for (const each of [...login.tickets, ...granted]) {
    if (each.grant.endTime > now) tickets.set(`${each.grant.service} ${each.lifetime}`, each)
  }
  return { ...login, tickets: [...tickets.values()] }
}

/** How to log in again, as it is typed. */
export function loginAgain(client: Principal): string {
  return `orthrus login ${client}`
}

/** The error for a login that is no more. @param how that it has ended, as in `ended 2 h ago`. @param again what to do */
export function noLogin(
  client: Principal,
  how: string,
  cause?: unknown,
  again = `run: ${loginAgain(client)}`,
): OrthrusError {
  return new OrthrusError('login_invalid', `the login of ${localPart(client)} in ${realmOf(client)} ${how}`, {
    final: true,
    principal: client,
    hint: again,
    cause,
  })
}
