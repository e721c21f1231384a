import { type ErrorCode, OrthrusError } from '../../shared/errors.js'

/** What the inputs of an entry are made of, and so how they are changed. */
export type Form =
  /** `version || type || list`, perhaps with a MAC behind it. */
  | 'message'
  /** One list of the encoding. */
  | 'list'
  | 'text'
  | 'bytes'

/** One place where bytes or text come in from outside. */
export interface Entry {
  readonly name: string
  readonly form: Form
  /** The first is good, and must be taken in the same way after whatever else came in. */
  readonly seeds: readonly Uint8Array[]
  /** Nothing longer gets here, bytes: 64 KiB and a little more, for what is too long by a little. */
  readonly most?: number
  /** What one input may take besides 20 bytes for each of its own; see `cost.ts`. */
  readonly floor?: number
  /** How often an input is tried in `npm test`, for what takes longer than others. */
  readonly quick?: number
  /**
   * Takes one input in and says in a few words what came of it.
   * @param measure what the code under test does goes through it, so that sealing an input and looking at what came of
   * it are not counted
   * @throws whatever the code under test lets out, and where a property does not hold
   */
  run(input: Uint8Array, measure: Measure): string | Promise<string>
}

/** Calls, measures, and gives what the call gives. Where it is called several times the dearest call counts. */
export type Measure = <T>(take: () => T) => T

export const FRAME_MOST = 64 * 1024 + 64

/** What it came to: `taken`, or the code of an error that the entry's contract names. Other errors pass. */
export function outcomeOf(take: () => unknown, codes: readonly ErrorCode[]): string {
  try {
    take()
    return 'taken'
  } catch (cause) {
    return refusalOf(cause, codes)
  }
}

export async function asyncOutcomeOf(
  take: () => Promise<unknown>,
  codes: readonly ErrorCode[],
): Promise<string> {
  try {
    await take()
    return 'taken'
  } catch (cause) {
    return refusalOf(cause, codes)
  }
}

export function refusalOf(cause: unknown, codes: readonly ErrorCode[]): string {
  if (cause instanceof OrthrusError && codes.includes(cause.code)) return cause.code
  throw cause
}

/** What a contract calls a caller's mistake is a TypeError of our own words; what V8 says is a defect. */
export function mistakeOf(cause: unknown): string {
  if (cause instanceof TypeError && !OF_THE_PLATFORM.test(cause.message)) {
    return 'mistake'
  }
  throw cause
}

const OF_THE_PLATFORM =
  /^Cannot |^Invalid |is not (?:a function|iterable|defined|an object|a constructor)|of undefined|of null|out of (?:range|bounds)|\bcall stack\b|\bBigInt\b|convert/

/** That what was taken in is written out as it came. */
export function requireSame(written: Uint8Array | string, came: Uint8Array | string): void {
  const [a, b] = [Buffer.from(written), Buffer.from(came)]
  if (!a.equals(b)) throw new Error(`re-encodes to ${a.toString('hex')}`)
}

/** As near to what ends in a MAC as it comes: all of it is right, but for the last byte. */
export function nearly(bytes: Uint8Array): Uint8Array {
  return bytes.with(-1, (bytes.at(-1) as number) ^ 1)
}

const utf8 = new TextEncoder()

export function ofText(...texts: readonly string[]): Uint8Array[] {
  return texts.map(text => utf8.encode(text))
}

/** Texts of header fields and command lines, where each byte is a character. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}
