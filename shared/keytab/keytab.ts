import { equalBytes } from '#primitives'
import { base64urlBytes, concatBytes, toBase64url } from '../bytes.js'
import { SIZE } from '../constants.js'
import { checkOf } from '../crypto/check.js'
import { LongTermKey, revealKey } from '../crypto/keys.js'
import { OrthrusError } from '../errors.js'
import { isPrincipal, type Principal } from '../principal.js'
import { kdcLine } from './kdc-line.js'
import { FIRST_LINE, KEY_PREFIX, looksLikeKeytab } from './keytab-form.js'

/** A keytab: a text file of long-term keys (docs/protocol.md section 1; its form in the README). */

export interface KeytabEntry {
  readonly principal: Principal
  readonly kvno: number
  readonly key: LongTermKey
}

/** How many fields a line has. */
const FIELDS = 3

/** @param kdcs URLs of the realm's KDCs, which the keytab names. @throws TypeError if there is no key */
export function formatKeytab(entries: readonly KeytabEntry[], kdcs: readonly string[] = []): string {
  const lines = entries.map(({ principal, kvno, key }) => {
    const bytes = revealKey(key)
    const checked = concatBytes(bytes, checkOfKey(principal, kvno, bytes))
    return `${principal} ${kvno} ${KEY_PREFIX}${toBase64url(checked)}`
  })
  if (lines.length === 0) throw new TypeError('a keytab has at least one key')
  return `${[FIRST_LINE, ...kdcLine(kdcs), ...lines].join('\n')}\n`
}

/**
 * Each line has one key. A line that was cut off, edited or renamed can be told from a wrong key.
 * @param path the file that the text is from, named in errors
 * @throws OrthrusError `keytab_invalid`, with the number of the line and never its key
 * @throws TypeError unless it is given a string
 */
export function parseKeytab(text: string, path?: string): KeytabEntry[] {
  if (typeof text !== 'string') throw new TypeError(`the text of a keytab is a string, not ${typeof text}`)
  requireForm(text, path)
  const entries: KeytabEntry[] = []
  const seen = new Set<string>()
  // Line by line, because a list of all lines would take many times the memory of the text.
  for (let from = 0, number = 1, end = 0; from < text.length; from = end + 1, number++) {
    end = text.indexOf('\n', from)
    const place = { line: number, path }
    if (end < 0) throw unended(text.slice(from), place)
    if (text[from] === '#') continue
    const entry = parseLine(text.slice(from, end), place)
    const name = `${entry.principal} ${entry.kvno}`
    if (seen.has(name)) throw invalid(place, `${name} is there twice`)
    seen.add(name)
    entries.push(entry)
  }
  if (entries.length === 0) throw invalid({ line: 1, path }, 'there is no key in it')
  return entries
}

/**
 * Finds what editors, checkouts and mistaken options do to a whole keytab.
 * @throws OrthrusError `keytab_invalid`
 */
function requireForm(text: string, path: string | undefined): void {
  const place = { line: 1, path }
  if (text === '') throw invalid(place, 'it is empty')
  if (text.startsWith('\uFEFF')) {
    throw invalid(
      place,
      'it starts with a byte order mark, which some editors add',
      'save it as UTF-8 without one',
    )
  }
  const lines = text.indexOf('\r')
  if (lines >= 0) {
    const hint =
      'convert it with dos2unix, or copy it again as a binary file; in git, keytabs are "*.keytab -text"'
    throw invalid(place, 'its lines end in CR LF, as on Windows, and must end in LF', hint)
  }
  if (text.startsWith(`${FIRST_LINE}\n`)) return
  const hint = looksLikeKeytab(text)
    ? undefined
    : 'name the keytab itself; in code its path is given as keytab: PATH, without { text }'
  throw invalid(place, `the first line is not "${FIRST_LINE}"`, hint)
}

/** The check at the end of a line shows whether only what follows it is missing. */
function unended(line: string, place: Place): OrthrusError {
  try {
    if (!line.startsWith('#')) parseLine(line, place)
  } catch {
    return invalid(place, 'it was cut off here: the line is not whole, and has no line break at its end')
  }
  return invalid(
    place,
    'the line break at its end is missing: it was trimmed or cut off',
    'where a shell or a secret store trimmed it, add a line break; else copy it again from where it was made',
  )
}

function parseLine(line: string, place: Place): KeytabEntry {
  const [principal, digits, secret, more] = line.split(' ', FIELDS + 1)
  if (principal === undefined || digits === undefined || secret === undefined || more !== undefined) {
    throw invalid(place, 'a line is "principal kvno key", with single spaces')
  }
  if (!isPrincipal(principal)) throw invalid(place, 'the principal is outside the grammar')
  const kvno = Number(digits)
  if (!/^[1-9][0-9]*$/.test(digits) || !Number.isSafeInteger(kvno))
    throw invalid(place, 'the kvno is not a number')
  return { principal, kvno, key: parseKey(secret, principal, kvno, place) }
}

function parseKey(secret: string, principal: Principal, kvno: number, place: Place): LongTermKey {
  const bytes = secret.startsWith(KEY_PREFIX) ? base64urlBytes(secret.slice(KEY_PREFIX.length)) : undefined
  if (bytes?.length !== SIZE.KEY + SIZE.CHECK) throw invalid(place, 'its key is cut off or is not a key')
  const key = bytes.slice(0, SIZE.KEY)
  if (!equalBytes(bytes.subarray(SIZE.KEY), checkOfKey(principal, kvno, key))) {
    throw invalid(place, 'its check fails: the line was altered, or belongs to another principal or kvno')
  }
  return new LongTermKey(key)
}

/** Whether both lines have the same key of the same principal, under the same kvno. */
export function isSameEntry(one: KeytabEntry, other: KeytabEntry): boolean {
  return (
    one.principal === other.principal &&
    one.kvno === other.kvno &&
    equalBytes(revealKey(one.key), revealKey(other.key))
  )
}

const ZERO = new Uint8Array(1)

function checkOfKey(principal: Principal, kvno: number, key: Uint8Array): Uint8Array {
  const text = new TextEncoder()
  return checkOf(text.encode(principal), ZERO, text.encode(String(kvno)), ZERO, key)
}

const COPY_AGAIN =
  'copy it again from where it was made, or give the principal another key: orthrus admin rotate NAME --keytab FILE'

interface Place {
  readonly line: number
  readonly path: string | undefined
}

function invalid({ line, path }: Place, reason: string, hint: string = COPY_AGAIN): OrthrusError {
  const message = `line ${line} of ${keytabNamed(path)}: ${reason}`
  return new OrthrusError('keytab_invalid', message, { final: true, hint })
}

function keytabNamed(path: string | undefined): string {
  return path === undefined ? 'the keytab' : `the keytab ${path}`
}

/**
 * One principal's keys of a keytab, the highest kvno first.
 * @param principal may be left out if all keys of the keytab are of one principal
 * @param path the file that the keytab was read from, named in errors
 * @throws OrthrusError `keytab_invalid` if the keytab has no key of the principal, or if the principal must be named
 */
export function selectPrincipal(
  entries: readonly KeytabEntry[],
  principal?: Principal,
  path?: string,
): KeytabEntry[] {
  const names = new Set(entries.map(entry => entry.principal))
  const chosen = principal ?? (names.size === 1 ? [...names][0] : undefined)
  if (chosen === undefined) {
    throw new OrthrusError('keytab_invalid', `${keytabNamed(path)} has keys of ${[...names].join(', ')}`, {
      final: true,
      hint: 'say which one is meant: --principal NAME, or principal: "NAME"',
    })
  }
  const keys = entries.filter(entry => entry.principal === chosen).sort((a, b) => b.kvno - a.kvno)
  if (keys.length === 0) {
    throw new OrthrusError('keytab_invalid', `${keytabNamed(path)} has no key of ${chosen}`, {
      final: true,
      principal: chosen,
      actual: [...names].join(', '),
      hint: `it has keys of ${[...names].join(', ')}: name one of them, or give the keytab of ${chosen}`,
    })
  }
  return keys
}
