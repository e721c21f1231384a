import { type History, ofKind, type Restored, type Violation } from '../history.js'

/** For how long a KDC may answer from what it saw last, milliseconds; the rest is for the driver, which notes the time itself. */
const CURRENT_FOR = 1_000 + 50

/** A KDC that runs while etcd is restored from a snapshot says so, and grants nothing until it is started again. */
export function goneBack(history: History): Violation[] {
  return ofKind(history, 'restored').flatMap(restored => [
    ...grantedAfter(history, restored),
    ...unnoticed(restored),
  ])
}

function grantedAfter(history: History, { began, startedAgain }: Restored): Violation[] {
  return ofKind(history, 'seal').flatMap(({ kdc, at, ticketId }): Violation[] => {
    if (at < began + CURRENT_FOR || at >= (startedAgain.get(kdc) ?? 0)) return []
    const says = `${kdc} sealed ${ticketId} ${(at - began).toFixed(0)} ms after etcd was stopped to go back, and was not started again`
    return [{ rule: 'store gone back', says }]
  })
}

function unnoticed({ startedAgain, noticed }: Restored): Violation[] {
  return [...startedAgain.keys()]
    .filter(kdc => !noticed.includes(kdc))
    .map(kdc => ({ rule: 'store gone back', says: `${kdc} did not say that etcd has gone back` }))
}
