import { looksLikeLogin, parseLogin } from '../client/kept-login/kept-login.js'
import { isSealedLogin, parseSealedLogin } from '../client/kept-login/sealed-login.js'
import { fromBase64url, toHex } from '../shared/bytes.js'
import { FLAG } from '../shared/constants.js'
import { AuthKey } from '../shared/crypto/keys.js'
import { OrthrusError } from '../shared/errors.js'
import { looksLikeJoinCode, parseJoinCode } from '../shared/keytab/join-code.js'
import { type KeytabEntry, parseKeytab } from '../shared/keytab/keytab.js'
import { readKeytabFile } from '../shared/keytab/keytab-file.node.js'
import { looksLikeKeytab } from '../shared/keytab/keytab-form.js'
import { realmOf } from '../shared/principal.js'
import { shownUrl } from '../shared/shown-url.js'
import { claimText } from '../shared/ticket/caveat-text.js'
import { parseCredential } from '../shared/ticket/credential.js'
import { decodeTicket, type OpenedTicket, openTicket, type SealedTicket } from '../shared/ticket/ticket.js'
import { formatDuration, formatTime } from '../shared/time.js'
import { caveatFacts, delegateFact } from './caveat-facts.js'
import { type Fact, type Facts, fact, group } from './facts.js'

/** What `orthrus inspect` finds in a text. */

/** The text to inspect, and the file that it was read from. */
export interface Inspected {
  readonly text: string
  readonly path: string | undefined
}

/** The keys of the keytab that tickets are opened with. */
export async function keysIn(
  path: string,
  options: { readonly allowReadableKeytab?: boolean },
): Promise<KeytabEntry[]> {
  return parseKeytab(await readKeytabFile(path, options), path)
}

export function describe(inspected: Inspected, keys: readonly KeytabEntry[]): Facts {
  const { text } = inspected
  if (looksLikeKeytab(text)) return describeKeytab(inspected)
  if (looksLikeLogin(text)) return describeLogin(inspected)
  if (looksLikeJoinCode(text)) return describeJoinCode(text.trim())
  if (text.startsWith('orthrus1_')) return describeCredential(text.trim(), keys)
  return describeTicket(ticketFrom(inspected), keys)
}

function describeKeytab({ text, path }: Inspected): Facts {
  const keys = parseKeytab(text, path).map(({ principal, kvno }) => `${principal} kvno ${kvno}`)
  return { kind: fact('keytab'), keys: fact(keys, keys) }
}

/** Whose it is, and what it gets: none of its keys. */
function describeLogin({ text, path = 'that was given' }: Inspected): Facts {
  if (isSealedLogin(text)) {
    const { client } = parseSealedLogin(text, path)
    const content = 'sealed by a key of the session that made it: orthrus tickets shows it there'
    return { kind: fact('login'), client: fact(client), content: fact(content) }
  }
  const { client, kdc, tgt, tickets } = parseLogin(text, path)
  const { endTime, renewTill } = tgt
  const services = tickets.map(({ grant }) => grant.service)
  return {
    kind: fact('login'),
    client: fact(client),
    endTime: fact(formatTime(endTime)),
    state: fact(stateAt(endTime, `orthrus login ${client}`)),
    renewTill: fact(renewTill === null ? 'not renewable' : formatTime(renewTill)),
    kdc: fact(kdc.map(shownUrl), kdc.map(shownUrl)),
    tickets: fact(services, services),
  }
}

function describeJoinCode(text: string): Facts {
  const { invitation, endsAt, kdc } = parseJoinCode(text)
  const { principal, kvno } = invitation
  return {
    kind: fact('join code'),
    realm: fact(realmOf(principal)),
    invitation: fact(principal),
    kvno: fact(kvno),
    endTime: fact(formatTime(endsAt)),
    state: fact(stateAt(endsAt, 'ask an administrator for another one')),
    kdc: fact(kdc.map(shownUrl), kdc.map(shownUrl)),
  }
}

function describeCredential(text: string, keys: readonly KeytabEntry[]): Facts {
  const { ticket, caveats, key, service, client, endTime } = parseCredential(text)
  return {
    kind: fact('credential'),
    delegate: delegateFact(caveats),
    client: fact(client),
    service: fact(service),
    endTime: fact(formatTime(endTime)),
    state: fact(stateAt(endTime, 'ask its client for another one')),
    closed: fact(key instanceof AuthKey),
    caveats: caveatFacts(caveats),
    ...(keys.length === 0 ? {} : { ticket: group(describeTicket(ticket, keys)) }),
  }
}

function ticketFrom({ text, path }: Inspected): SealedTicket {
  try {
    return decodeTicket(fromBase64url(text.trim()))
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    const kinds = 'a keytab, a login, a credential, a join code or a ticket in base64url'
    throw new TypeError(
      path === undefined
        ? `neither a file nor the text of ${kinds}: orthrus inspect FILE`
        : `${path} is not ${kinds}`,
    )
  }
}

function describeTicket(ticket: SealedTicket, keys: readonly KeytabEntry[]): Facts {
  const { service, kvno, bytes } = ticket
  const sealed = {
    kind: fact('ticket'),
    service: fact(service),
    kvno: fact(kvno),
    bytes: fact(bytes.length),
  }
  const key = keys.find(entry => entry.principal === service && entry.kvno === kvno)?.key
  if (key !== undefined) return { ...sealed, ...describeOpened(openTicket(ticket, key)) }
  return { ...sealed, content: fact(`sealed: it opens with the key of ${service}, kvno ${kvno} (--keytab)`) }
}

function describeOpened(ticket: OpenedTicket): Facts {
  return {
    ticketId: fact(toHex(ticket.ticketId)),
    client: fact(ticket.client),
    authTime: fact(formatTime(ticket.authTime)),
    startTime: fact(formatTime(ticket.startTime)),
    endTime: fact(formatTime(ticket.endTime)),
    renewTill: fact(ticket.renewTill === null ? 'not renewable' : formatTime(ticket.renewTill)),
    delegable: fact((ticket.flags & FLAG.DELEGABLE) !== 0),
    passwordBased: fact((ticket.flags & FLAG.PASSWORD) !== 0),
    claims: claimsFact(ticket),
    caveats: caveatFacts(ticket.caveats),
  }
}

function claimsFact({ claims }: OpenedTicket): Fact {
  return fact(
    Object.fromEntries(claims),
    claims.map(([name, value]) => claimText(name, value)),
  )
}

/** By this machine's clock. */
function stateAt(endTime: number, next: string): string {
  const left = endTime - Date.now()
  return left > 0
    ? `ends in ${formatDuration(left)}`
    : `ended ${formatDuration(-left)} ago, by this machine's clock: ${next}`
}
