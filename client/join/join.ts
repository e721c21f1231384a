import { createKeytabFile, isKeytabThere } from '#keytab-file'
import { OrthrusError } from '../../shared/errors.js'
import { type JoinCode, parseJoinCode } from '../../shared/keytab/join-code.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import type { Principal } from '../../shared/principal.js'
import { shownUrl } from '../../shared/shown-url.js'
import { enrol } from '../channel/invitations.js'
import { openKdcChannel } from '../channel/kdc-channel.js'
import { kdcList } from '../connect-urls.js'
import { isPrivateUrl } from '../login/password.js'
import type { Realm } from '../realm.js'
import { ended, explained } from './refused-code.js'
import { isUnprovedRefusal, refusedLater, unfinished } from './unfinished.js'

/** How a new host gets its key with a join code (docs/protocol.md section 12, "Invitations"). */

export interface JoinOptions {
  /** `orthrusjoin1_...` */
  readonly code: string
  /** Where the keytab is written, never over a file that exists; told the principal, which the KDC names. */
  readonly pathOf: (principal: Principal) => string
  /** In place of the KDCs that the code names. */
  readonly kdc?: string | readonly string[] | undefined
  /** Which instance of a fleet the host is to be. Default: one that the KDC draws. */
  readonly instance?: string | undefined
  /** Allows `ws://` to another machine: whoever records it can read the key once he has the code. */
  readonly allowJoinOverPlainWebSocket?: boolean | undefined
  /** Connects to the KDC with a keytab. */
  readonly open: (login: JoinLogin) => Promise<Realm>
}

export interface JoinLogin {
  readonly kdc: readonly string[]
  readonly keytab: string | { readonly text: string }
}

/** A host that has its key. */
export interface Joined {
  readonly realm: Realm
  readonly keytab: string
}

/**
 * Asks for a key, writes it down, and logs in with it, which makes it the principal's and uses the code up. Whatever
 * fails before it is written can be done again with the same code. Afterwards the keytab is kept: its key may have become
 * the principal's, whatever the answer said.
 * @throws OrthrusError `credential_invalid` for a code that was cut off or mistyped; `revoked` for one that has ended,
 * with how; `keytab_invalid` if the keytab cannot be written; what connecting throws
 * @throws TypeError if no KDC is named, or one where anybody may listen
 */
export async function joinHost(options: JoinOptions): Promise<Joined> {
  const code = parseJoinCode(options.code.trim())
  const kdc = kdcOf(options, code)
  const invited: JoinLogin = { kdc, keytab: { text: formatKeytab([code.invitation]) } }
  const entry = await enrolAs(options, invited, code)
  const keytab = options.pathOf(entry.principal)
  // The host is told where the KDCs are once.
  await createKeytabFile(keytab, formatKeytab([entry], kdc))
  try {
    return { realm: await logIn(options.open, { kdc, keytab }), keytab }
  } catch (cause) {
    const end = isUnprovedRefusal(cause) ? await provedEnd(options.open, invited) : undefined
    throw unfinished(cause, end, { keytab, kdc })
  }
}

/** Anybody can forge the refusal of a key, so the KDC is asked a second time, over another connection. */
async function logIn(open: JoinOptions['open'], login: JoinLogin): Promise<Realm> {
  try {
    return await logInOnce(open, login)
  } catch (cause) {
    if (!isUnprovedRefusal(cause)) throw cause
    return await logInOnce(open, login)
  }
}

async function logInOnce(open: JoinOptions['open'], login: JoinLogin): Promise<Realm> {
  const realm = await open(login)
  try {
    await realm.getTgt()
    return realm
  } catch (cause) {
    realm.close()
    throw cause
  }
}

/** The KDCs to join by: those that the code names, unless told others. @throws TypeError */
function kdcOf(options: Pick<JoinOptions, 'kdc' | 'allowJoinOverPlainWebSocket'>, code: JoinCode): string[] {
  const { kdc = code.kdc, allowJoinOverPlainWebSocket = false } = options
  const urls = kdcList(kdc)
  if (urls.length === 0) throw new TypeError('the join code names no KDC: name one, as wss://kdc.example')
  const open = urls.find(text => URL.canParse(text) && !isPrivateUrl(new URL(text)))
  if (open === undefined || allowJoinOverPlainWebSocket) return urls
  throw new TypeError(
    `no key is fetched over ${shownUrl(open)}, where anybody may listen: use wss://, or allowJoinOverPlainWebSocket: true (--allow-plain-websocket)`,
  )
}

async function enrolAs(
  { open, instance }: JoinOptions,
  invited: JoinLogin,
  code: JoinCode,
): ReturnType<typeof enrol> {
  const realm = await open(invited)
  try {
    const channel = await openKdcChannel(realm)
    try {
      return await enrol(channel, instance ?? null)
    } finally {
      channel.close()
    }
  } catch (cause) {
    throw explained((await endOf(open, invited, cause)) ?? cause, { code, kdc: invited.kdc })
  } finally {
    realm.close()
  }
}

/** A channel of a code that another host used at this moment ends without saying how: a new login says it. */
async function endOf(
  open: JoinOptions['open'],
  invited: JoinLogin,
  cause: unknown,
): Promise<OrthrusError | undefined> {
  const isEnded =
    cause instanceof OrthrusError && (cause.code === 'revoked' || cause.code === 'channel_broken')
  if (!isEnded || cause.facts.invitation !== undefined) return undefined
  return await provedEnd(open, invited)
}

/** How the code has ended, if a proved answer says so. */
async function provedEnd(open: JoinOptions['open'], invited: JoinLogin): Promise<OrthrusError | undefined> {
  try {
    const realm = await logInOnce(open, invited)
    realm.close()
    return undefined
  } catch (why) {
    const end = why instanceof OrthrusError ? why.facts.invitation : undefined
    return end === undefined ? undefined : ended(why as OrthrusError, end)
  }
}

/**
 * Joins at the first start only: if the keytab is there, it is used, and the code at most to find the KDC.
 * @throws as `joinHost` does
 */
export async function joinOnce(
  options: Omit<JoinOptions, 'pathOf'> & { readonly keytab: string },
): Promise<Realm> {
  const { keytab, code, kdc, open } = options
  if (!(await isKeytabThere(keytab))) {
    const { realm } = await joinHost({ ...options, pathOf: () => keytab })
    return realm
  }
  const urls = kdc === undefined ? kdcOf(options, parseJoinCode(code.trim())) : kdcList(kdc)
  try {
    // A host that went down after it wrote its key, and before it logged in, makes it its own now.
    return await logIn(open, { kdc: urls, keytab })
  } catch (cause) {
    throw refusedLater(cause, keytab)
  }
}
