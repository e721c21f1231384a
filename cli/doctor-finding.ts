import { OrthrusError } from '../shared/errors.js'
import { table } from './terminal.js'

/** What `orthrus doctor` found out about one thing. */
export interface Finding {
  readonly name: string
  /** `note` is worth knowing, and nothing is wrong. */
  readonly state: 'ok' | 'note' | 'wrong'
  readonly text: string
  /** What to do about it. */
  readonly next?: string
}

export function ok(name: string, text: string): Finding {
  return { name, state: 'ok', text }
}

export function note(name: string, text: string, next?: string): Finding {
  return next === undefined ? { name, state: 'note', text } : { name, state: 'note', text, next }
}

export function wrong(name: string, text: string, next: string): Finding {
  return { name, state: 'wrong', text, next }
}

/** An expected failure, with the next step that it names itself. @throws any other */
export function failed(name: string, cause: unknown, otherwise: string): Finding {
  if (!(cause instanceof OrthrusError)) throw cause
  return wrong(name, `${cause.code}: ${cause.reason}`, cause.facts.hint ?? otherwise)
}

const SIGNS = { ok: 'ok', note: 'note', wrong: 'WRONG' } as const

/** For people. */
export function findingsText(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ name, state, text, next }) => [
    [SIGNS[state], name, text],
    ...(next === undefined ? [] : [['', '', `next: ${next}`]]),
  ])
  const count = findings.filter(({ state }) => state === 'wrong').length
  const sum = count === 0 ? 'nothing is wrong' : `${count} ${count === 1 ? 'thing is' : 'things are'} wrong`
  return `${table(rows)}\n${sum}`
}
