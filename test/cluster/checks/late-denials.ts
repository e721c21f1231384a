import { type Ask, at, type History, ofKind, type Violation } from '../history.js'
import { certainDuring, type Registers, registersOf } from './registers.js'

/** How old what a KDC answers from may be, milliseconds; the rest is for clocks that are read one after another. */
const CURRENT_FOR = 1_000 + 50

/** What was given more than a second ago no KDC denies: one that may not have heard of it says that it does not know. */
export function lateDenials(history: History): Violation[] {
  const registers = registersOf(history)
  return ofKind(history, 'ask').flatMap(ask => {
    const denied = deniedBy(ask).filter(given => given.every(([on, is]) => wasSo(registers, ask, on, is)))
    return denied.map((): Violation => {
      const says = `${ask.kdc} denied ${ask.client} at ${at(ask.began)} what it had been given over a second before`
      return { rule: 'late denial', says }
    })
  })
}

type Given = readonly (readonly [on: string, is: string])[]

/** What would have had to be given for each thing that was denied. */
function deniedBy({ client, outcome, denied }: Ask): Given[] {
  const enabled = [`principal ${client}`, 'enabled'] as const
  if (outcome === 'principal_disabled') return [[enabled]]
  return denied
    .filter(({ is }) => is === 'policy_denied')
    .map(({ on }) => [enabled, [`principal ${on}`, 'enabled'], [`rule ${client} ${on}`, 'allow']])
}

function wasSo(registers: Registers, { began, ended }: Ask, on: string, is: string): boolean {
  return certainDuring(registers, on, { began: began - CURRENT_FOR, ended })?.is === is
}
