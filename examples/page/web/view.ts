import type { ClientTelemetryEvent } from 'orthrus/client'
import type { Order } from './orders.js'

/** The elements of the page, and what is written into them: always as text, never as markup. */

type Named = {
  readonly login: HTMLFormElement
  readonly place: HTMLFormElement
  readonly name: HTMLInputElement
  readonly password: HTMLInputElement
  readonly what: HTMLInputElement
  readonly progress: HTMLProgressElement
}

/** The element of this id, which index.html has. */
export function element<Id extends string>(id: Id): Id extends keyof Named ? Named[Id] : HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`index.html has no element ${id}`)
  return found as Id extends keyof Named ? Named[Id] : HTMLElement
}

export function show(id: string, isShown: boolean): void {
  element(id).hidden = !isShown
}

/** @param problem nothing if it is over */
export function showProblem(problem = ''): void {
  element('problem').textContent = problem
  show('problem', problem !== '')
}

const shownOrders = new Set<number>()

/** Adds those that are not shown yet. */
export function showOrders(orders: readonly Order[]): void {
  for (const { id, what, by } of orders) {
    if (shownOrders.has(id)) continue
    shownOrders.add(id)
    element('orders').append(line(what, textOf('small', by)))
  }
}

/** What a further person must not see. */
export function clear(): void {
  shownOrders.clear()
  for (const id of ['orders', 'proved', 'name-shown', 'live']) element(id).textContent = ''
}

/** Newest first, and not for ever. */
export function showProof(text: string): void {
  const list = element('proved')
  list.prepend(line(text, textOf('time', new Date().toLocaleTimeString())))
  while (list.childElementCount > 12) list.lastElementChild?.remove()
}

/** Shows what an event says that was proved, and by whom. */
export function showProofIn(event: ClientTelemetryEvent): void {
  if (event.kind === 'ticket_granted') {
    const end = new Date(event.endTime).toLocaleTimeString()
    const isTgt = event.service.startsWith('krbtgt@')
    const ticket = isTgt ? 'The ticket that gets further ones,' : `A ticket for ${event.service}`
    showProof(
      `${ticket} until ${end}: the KDC proved that it is the KDC, and you that you are ${event.client}.`,
    )
  }
  if (event.kind === 'answer_proved') {
    const { service, method, path, status } = event
    if (status === undefined)
      showProof(`The channel ${path}: you and ${service} prove each message to each other.`)
    else showProof(`${method} ${path}: you proved the request, and ${service} its answer, ${status}.`)
  }
}

function line(text: string, beside: HTMLElement): HTMLLIElement {
  const item = document.createElement('li')
  item.append(textOf('span', text), beside)
  return item
}

function textOf(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag)
  made.textContent = text
  return made
}
