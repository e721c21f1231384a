import { at, type History, ofKind, type Violation } from '../history.js'
import { certainDuring, isLostBy, registersOf } from './registers.js'

/** Whatever was acknowledged is there for each reading that began later, at every KDC. */
export function lostChanges(history: History): Violation[] {
  const registers = registersOf(history)
  return ofKind(history, 'reading').flatMap(reading =>
    reading.found.flatMap(({ on, is }): Violation[] => {
      const certain = certainDuring(registers, on, reading)
      if (certain === undefined || certain.is === is) return []
      const { deed } = certain
      const says = `${reading.kdc} read at ${at(reading.began)} that ${on} is ${is}; that it is ${certain.is} was acknowledged by ${deed.kdc} at ${at(deed.ended)}`
      return [{ rule: 'lost change', says }]
    }),
  )
}

/** Entries of the log are numbered one after another: two that were acknowledged under one number are one lost. */
export function doubledEntries(history: History): Violation[] {
  const seen = new Map<number, string>()
  const restored = ofKind(history, 'restored')
  return ofKind(history, 'deed').flatMap((deed): Violation[] => {
    const { seq, what, outcome } = deed
    if (seq === undefined || outcome !== 'done' || restored.some(one => isLostBy(one, deed))) return []
    const before = seen.get(seq)
    seen.set(seq, what)
    return before === undefined
      ? []
      : [{ rule: 'log of revocations', says: `entry ${seq} of the log is both "${before}" and "${what}"` }]
  })
}
