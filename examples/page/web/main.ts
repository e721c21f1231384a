import type { Realm } from 'orthrus/client'
import { followOrders, placeOrder } from './orders.js'
import { goOn, hasEnded, type Listeners, logIn, type Places, saidOf } from './session.js'
import { clear, element, show, showOrders, showProblem, showProof, showProofIn } from './view.js'

/** A page that a person logs in at, and that calls a service on another origin in their name. */

/** What there is while somebody is logged in. */
interface Session {
  readonly realm: Realm
  readonly ended: AbortController
}

const places = (await (await fetch('places.json')).json()) as Places
const listeners: Listeners = { onEvent: showProofIn, onLogout: leave }
let session: Session | undefined

function enter(realm: Realm): void {
  const ended = new AbortController()
  session = { realm, ended }
  showProblem()
  showProof(`You are ${realm.client}.`)
  element('name-shown').textContent = realm.client
  for (const id of ['person', 'shop', 'proofs']) show(id, true)
  show('login', false)
  const { signal } = ended
  const onLive = (problem: unknown): void => {
    element('live').textContent = problem === undefined ? 'live' : `not live: ${saidOf(problem)}`
  }
  followOrders(realm, places.orders, { onOrders: showOrders, onLive, signal }).catch(failed)
}

/** Nothing of the person stays on the page. */
function leave(): void {
  session?.ended.abort()
  session?.realm.close()
  session = undefined
  clear()
  for (const id of ['person', 'shop', 'proofs']) show(id, false)
  show('login', true)
  element('name').focus()
}

function failed(error: unknown): void {
  if (hasEnded(error)) leave()
  showProblem(saidOf(error))
}

/** The password's work takes a second or two: meanwhile nobody can send the form again, and sees why. */
async function submitLogin(): Promise<void> {
  const [principal, password] = [element('name').value.trim(), element('password').value]
  const fields = element('login').querySelector('fieldset')
  showProblem()
  show('working', true)
  if (fields !== null) fields.disabled = true
  try {
    const onProgress = (done: number): void => {
      element('progress').value = done
    }
    enter(await logIn(places, listeners, { principal, password }, onProgress))
  } finally {
    element('password').value = ''
    element('progress').value = 0
    show('working', false)
    if (fields !== null) fields.disabled = false
    // What had the focus was disabled, or is no longer there.
    element(session === undefined ? 'password' : 'what').focus()
  }
}

async function submitOrder(): Promise<void> {
  if (session === undefined) return
  await placeOrder(session.realm, places.orders, element('what').value)
  element('place').reset()
  showProblem()
}

/** In all pages of this origin: the others hear it by `onLogout`. */
async function logOut(): Promise<void> {
  await session?.realm.logout()
  leave()
}

element('login').addEventListener('submit', event => {
  event.preventDefault()
  submitLogin().catch(failed)
})
element('place').addEventListener('submit', event => {
  event.preventDefault()
  submitOrder().catch(failed)
})
element('log-out').addEventListener('click', () => void logOut().catch(failed))

try {
  const found = await goOn(places, listeners)
  if (found === undefined) leave()
  else enter(found)
} catch (error) {
  leave()
  failed(error)
}
