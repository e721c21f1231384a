import { OrthrusError } from './errors.js'
import type { Logger } from './logger.js'
import { withoutSecrets } from './shown-text.js'
import { type Clock, MINUTE } from './time.js'

/** Tuning: entries per minute in all, and per message, so that a frequent message does not hide a rare one. */
const LINES_MAX = 10
const ALIKE_MAX = 3
/** How much of a field and of a stack trace is shown, characters. */
const FIELD_MAX = 400
const STACK_MAX = 4_000

export interface OwnerLoggerOptions {
  /** Which party the entry is from: `orthrus client`. */
  readonly name: string
  /** Its monotonic reading measures the minutes. */
  readonly clock: Clock
  /** Takes one entry. Default: standard error. */
  readonly write?: (text: string) => void
}

/**
 * The logger of a party that was given none. Warnings and errors, which its owner must see, go to standard error, at
 * most ten entries a minute, and none twice. The next entry says how many were left out. Everything else is dropped.
 */
export function createOwnerLogger({ name, clock, write = toStandardError }: OwnerLoggerOptions): Logger {
  const allowance = new Allowance(clock)
  const tell = (level: string) => (fields: object, message: string) => {
    const text = `${plain(message)}${shownFields(fields)}`
    // Two refusals are alike although each has an id of its own.
    const leftOut = allowance.take(message, 'id' in fields ? shownFields({ ...fields, id: undefined }) : text)
    if (leftOut === undefined) return
    const missing = leftOut === 0 ? '' : ` (${leftOut} earlier ones were left out)`
    write(`${name} ${level}: ${text}${missing}`)
  }
  return { debug: () => {}, info: () => {}, warn: tell('warning'), error: tell('error') }
}

/** How many entries may still be written in this minute. */
class Allowance {
  readonly #clock: Clock
  readonly #alike = new Map<string, number>()
  /** What was written in this minute. */
  readonly #texts = new Set<string>()
  #startedAt = Number.NEGATIVE_INFINITY
  #written = 0
  #leftOut = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @returns how many were left out since the last entry, or `undefined` if this one is left out too. */
  take(message: string, text: string): number | undefined {
    this.#startMinute()
    const alike = this.#alike.get(message) ?? 0
    if (this.#written >= LINES_MAX || alike >= ALIKE_MAX || this.#texts.has(text)) {
      this.#leftOut++
      return undefined
    }
    this.#written++
    this.#alike.set(message, alike + 1)
    this.#texts.add(text)
    const leftOut = this.#leftOut
    this.#leftOut = 0
    return leftOut
  }

  #startMinute(): void {
    const now = this.#clock.monotonic()
    if (now - this.#startedAt < MINUTE) return
    this.#startedAt = now
    this.#written = 0
    this.#alike.clear()
    this.#texts.clear()
  }
}

function toStandardError(text: string): void {
  console.error(text)
}

function shownFields(fields: object): string {
  let text = ''
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${shownField(value)}`
  }
  return text
}

/** An expected failure is shown by its message; any other with its stack, which the owner needs. */
function shownField(value: unknown): string {
  if (value instanceof OrthrusError) return plain(JSON.stringify(value.message)).slice(0, FIELD_MAX)
  if (value instanceof Error) return indented(plain(value.stack ?? String(value)).slice(0, STACK_MAX))
  return plain(jsonOf(value)).slice(0, FIELD_MAX)
}

/** Indents further lines, so that a line of an error's message does not look like a separate entry. */
function indented(stack: string): string {
  return stack.replaceAll('\n', '\n    ')
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? typeof value
  } catch {
    return typeof value
  }
}

/** Removes characters that move a terminal's cursor, since some of the text comes from other machines. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are what it searches for
  const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g
  return withoutSecrets(text).replace(controls, '?')
}
