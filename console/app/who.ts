import { signal } from '@preact/signals'
import type { KeptLogin } from '../../client/kept-login/kept-login.js'
import type { Principal } from '../../shared/principal.js'
import type { Failure } from '../parts/act.js'
import { forgetAnnounced } from '../parts/announce.js'
import { accessOf } from '../realm/access.js'
import { ConsoleSession } from '../session/console-session.js'
import { failedLogin } from '../session/failures.js'
import { type LoggedIn, Logins } from '../session/login.js'
import { forgetPlace, VIEW_NAMES, type ViewName } from './route.js'

/**
 * Who this tab is. Tabs of a browser share one login: a tab that is opened goes on with it, one that is logged out takes all with
 * it, and a tab that was somebody is never somebody else without being asked.
 */
export type State =
  /** Just opened: it asks the other tabs. */
  | { readonly kind: 'looking' }
  | { readonly kind: 'front'; readonly said?: string; readonly failure?: Failure }
  | { readonly kind: 'outsider'; readonly login: LoggedIn }
  | { readonly kind: 'person'; readonly session: ConsoleSession; readonly views: readonly ViewName[] }

export const state = signal<State>({ kind: 'looking' })

/** Whose login another tab has, while this one asks for a password. */
export const offered = signal<Principal | undefined>(undefined)

export const logins = new Logins({ began, ended })

/** Grows with whatever another tab tells: what was found before may be out of date. */
let turns = 0

/** Goes on with the login of the other tabs, if they have one; otherwise asks for the password. */
export async function begin(): Promise<void> {
  const [client, ...more] = await logins.elsewhere()
  if (client === undefined || more.length > 0) state.value = { kind: 'front' }
  else await goOn(client)
}

/** Goes on as somebody who is logged in in another tab. */
export async function goOn(client: Principal): Promise<void> {
  const turn = turns
  try {
    const login = await logins.goOn(client)
    if (turn === turns) enter(login)
    else {
      login.administration.close()
      await begin()
    }
  } catch (cause) {
    offered.value = undefined
    state.value = { kind: 'front', failure: failedLogin(cause) }
  }
}

export function enter(login: LoggedIn): void {
  closeNow()
  offered.value = undefined
  const views = viewsFor(login)
  state.value =
    views.length > 0
      ? { kind: 'person', session: new ConsoleSession(login), views }
      : { kind: 'outsider', login }
}

/** Logs out, in all tabs. */
export function logOut(): void {
  const me = whoIsThis()
  if (me !== undefined) logins.logOut(me)
  leave('You are logged out, in this tab and in all others.')
}

function began(login: KeptLogin): void {
  turns += 1
  const { client } = login
  const me = whoIsThis()
  if (me === undefined) offered.value = client
  else if (me === client) void takeNewer(login)
  else {
    leave('Somebody else has logged in in another tab, so you are logged out in this one.')
    offered.value = client
  }
}

function ended(client: Principal): void {
  turns += 1
  if (offered.value === client) offered.value = undefined
  if (whoIsThis() === client) leave('You logged out in another tab, which ended your login in all of them.')
}

/** The login of this tab has ended, and the same person has logged in again in another one. */
async function takeNewer(newer: KeptLogin): Promise<void> {
  const now = state.value
  if (now.kind !== 'person' || now.session.ended.value === null) return
  try {
    const login = await logins.take(newer)
    if (state.value === now) now.session.renew(login)
    else login.administration.close()
  } catch {
    // The form is there.
  }
}

function whoIsThis(): Principal | undefined {
  const now = state.value
  if (now.kind === 'person') return now.session.me
  return now.kind === 'outsider' ? now.login.me : undefined
}

function leave(said: string): void {
  closeNow()
  state.value = { kind: 'front', said }
  forgetAnnounced()
  forgetPlace()
}

function closeNow(): void {
  const now = state.value
  if (now.kind === 'person') now.session.close()
  if (now.kind === 'outsider') now.login.administration.close()
}

/** What of the realm somebody may look at: the KDC decides, and decides it again for each call. */
function viewsFor({ administration: { realm }, claims }: LoggedIn): readonly ViewName[] {
  const { isAdministrator, owns } = accessOf(
    realm,
    Object.entries(claims).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  )
  if (isAdministrator) return VIEW_NAMES
  return owns.length > 0 ? OWNER_VIEWS : []
}

/** Those that say something to who owns services of the realm and does not administer it. */
const OWNER_VIEWS: readonly ViewName[] = ['principals', 'policy', 'invitations', 'audit']
