import { base64urlBytes, toBase64url } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { malformed } from '../../shared/errors.js'
import { isPrincipal, type Principal } from '../../shared/principal.js'

/** What an orderly end tells the next start, so that its floor need not be six seconds ahead. Times in milliseconds. */
export interface SavedState {
  readonly service: Principal
  /** Which start of the machine it was; empty where the system has no name for it. */
  readonly boot: string
  /** When it ended, by the wall clock. */
  readonly wall: number
  /** The same moment by the uptime of the machine. */
  readonly uptime: number
  /** Whatever the process accepted is stamped at or below this. */
  readonly floor: number
  /** Drawn by the process when it began to serve. */
  readonly run: Uint8Array
}

/** With a MAC under each key that the process had. */
export interface SignedState {
  readonly state: SavedState
  readonly macs: ReadonlyMap<number, Uint8Array>
}

const FIRST_LINE = '# orthrus state 1'
/** The bytes of what the process drew. */
export const RUN_BYTES = 16
const FORM =
  /^# orthrus state 1\nservice (\S{1,400})\nboot ([0-9a-f-]{0,64})\nend (\d{1,16}) (\d{1,16})\nfloor (\d{1,16})\nrun (\S{1,64})\n((?:key \d{1,16} \S{1,64}\n)*)$/

/** What the MACs cover. */
export function stateText({ service, boot, wall, uptime, floor, run }: SavedState): string {
  return `${FIRST_LINE}\nservice ${service}\nboot ${boot}\nend ${wall} ${uptime}\nfloor ${floor}\nrun ${toBase64url(run)}\n`
}

export function formatState({ state, macs }: SignedState): string {
  const keys = [...macs].map(([kvno, mac]) => `key ${kvno} ${toBase64url(mac)}\n`)
  return `${stateText(state)}${keys.join('')}`
}

/** Whether the text is a saved state, even if it is damaged. */
export function looksLikeState(text: string): boolean {
  return text.startsWith(`${FIRST_LINE}\n`)
}

/** The form alone: the MACs are still to be verified. @throws OrthrusError `malformed` */
export function parseState(text: string): SignedState {
  const [, service = '', boot = '', wall, uptime, floor, run, keys = ''] = FORM.exec(text) ?? []
  if (!isPrincipal(service)) throw malformed('it is not a saved state')
  const state = {
    service,
    boot,
    wall: wholeNumber(wall),
    uptime: wholeNumber(uptime),
    floor: wholeNumber(floor),
    run: bytesOf(run, RUN_BYTES),
  }
  const macs = new Map<number, Uint8Array>()
  for (const line of keys.split('\n').slice(0, -1)) {
    const [, kvno, mac] = line.split(' ')
    macs.set(wholeNumber(kvno), bytesOf(mac, SIZE.MAC))
  }
  const signed = { state, macs }
  // Leading zeros, a key that stands twice.
  if (formatState(signed) !== text) throw malformed('it is not as it was written')
  return signed
}

function wholeNumber(text: string | undefined): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw malformed('a number is missing')
  return number
}

function bytesOf(text: string | undefined, size: number): Uint8Array {
  const bytes = text === undefined ? undefined : base64urlBytes(text)
  if (bytes?.length !== size) throw malformed('bytes are missing')
  return bytes
}
