import { type Deed, type History, ofKind, type Restored, type Span } from '../history.js'

/** When what administrators set was certainly set so, whatever the order in which overlapping deeds took effect. */

export interface Certain extends Span {
  readonly is: string
  readonly deed: Deed
}

export type Registers = ReadonlyMap<string, readonly Certain[]>

export function registersOf(history: History): Registers {
  const deeds = new Map<string, Deed[]>()
  for (const deed of ofKind(history, 'deed')) {
    if (deed.outcome === 'refused') continue
    for (const { on } of deed.sets) deeds.set(on, [...(deeds.get(on) ?? []), deed])
  }
  const restored = ofKind(history, 'restored')
  return new Map([...deeds].map(([on, of]) => [on, certainSpans(on, of, restored)]))
}

/** From the answer to a deed until another of the register begins, unless one was under way when it was answered. */
function certainSpans(on: string, deeds: readonly Deed[], restored: readonly Restored[]): Certain[] {
  return deeds.flatMap(deed => {
    if (deed.outcome !== 'done') return []
    const { is } = deed.sets.find(fact => fact.on === on) as { is: string }
    const others = deeds.filter(other => other !== deed && settingOf(other, on) !== is)
    const overlaps = others.some(({ began, ended }) => began < deed.ended && ended > deed.began)
    if (overlaps) return []
    const changed = others.map(({ began }) => began).filter(began => began >= deed.ended)
    const ends = [...changed, ...restored.filter(one => isLostBy(one, deed)).map(({ began }) => began)]
    return [{ is, deed, began: deed.ended, ended: Math.min(Number.POSITIVE_INFINITY, ...ends) }]
  })
}

/** Whether the deed is not in what was restored, as far as anybody knows. */
export function isLostBy({ saved, began }: Restored, { ended }: Deed): boolean {
  return saved < ended && ended < began
}

function settingOf(deed: Deed, on: string): string | undefined {
  return deed.sets.find(fact => fact.on === on)?.is
}

/** What was certain of it at that moment. */
export function certainAt(registers: Registers, on: string, time: number): Certain | undefined {
  return registers.get(on)?.find(({ began, ended }) => began < time && time < ended)
}

/** What was certain of it all this while. */
export function certainDuring(registers: Registers, on: string, span: Span): Certain | undefined {
  return registers.get(on)?.find(({ began, ended }) => began < span.began && span.ended < ended)
}
