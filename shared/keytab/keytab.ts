import { equalBytes, sha256 } from '#primitives'
import { concatBytes, fromBase64url, toBase64url } from '../bytes.js'
import { SIZE } from '../constants.js'
import { LongTermKey, revealKey } from '../crypto/keys.js'
import { OrthrusError } from '../errors.js'
import { isPrincipal, type Principal } from '../principal.js'

/** A keytab: a text file of long-term keys (docs/protocol.md section 1; its form in the README). */

export interface KeytabEntry {
  readonly principal: Principal
  readonly kvno: number
  readonly key: LongTermKey
}

const FIRST_LINE = '# orthrus keytab 1'
const KEY_PREFIX = 'orthruskey1_'
/** Of a line. */
const FIELDS = 3

/** @throws TypeError where a key stands twice or none at all */
export function formatKeytab(entries: readonly KeytabEntry[]): string {
  const lines = entries.map(({ principal, kvno, key }) => {
    const bytes = revealKey(key)
    const checked = concatBytes(bytes, checkOf(principal, kvno, bytes))
    return `${principal} ${kvno} ${KEY_PREFIX}${toBase64url(checked)}`
  })
  if (lines.length === 0) throw new TypeError('a keytab holds one key at least')
  return `${[FIRST_LINE, ...lines].join('\n')}\n`
}

/**
 * One key a line; what is cut off, edited or renamed is told from a wrong key.
 * @throws OrthrusError `keytab_invalid`, with the number of the line
 */
export function parseKeytab(text: string): KeytabEntry[] {
  if (!text.startsWith(`${FIRST_LINE}\n`)) throw invalid(1, `the first line is not "${FIRST_LINE}"`)
  const entries: KeytabEntry[] = []
  const seen = new Set<string>()
  // Line by line: a list of all would take many times the text.
  for (let from = 0, number = 1, end = 0; from < text.length; from = end + 1, number++) {
    end = text.indexOf('\n', from)
    if (end < 0) throw invalid(number, 'no line break at the end: it was cut off')
    if (text[from] === '#') continue
    const entry = parseLine(text.slice(from, end), number)
    const name = `${entry.principal} ${entry.kvno}`
    if (seen.has(name)) throw invalid(number, `${name} stands twice`)
    seen.add(name)
    entries.push(entry)
  }
  if (entries.length === 0) throw invalid(1, 'no key is in it')
  return entries
}

function parseLine(line: string, number: number): KeytabEntry {
  const [principal, digits, secret, more] = line.split(' ', FIELDS + 1)
  if (principal === undefined || digits === undefined || secret === undefined || more !== undefined) {
    throw invalid(number, 'a line is "principal kvno key", with single spaces')
  }
  if (!isPrincipal(principal)) throw invalid(number, 'the principal is outside the grammar')
  const kvno = Number(digits)
  if (!/^[1-9][0-9]*$/.test(digits) || !Number.isSafeInteger(kvno))
    throw invalid(number, 'the kvno is not a number')
  return { principal, kvno, key: parseKey(secret, principal, kvno, number) }
}

function parseKey(secret: string, principal: Principal, kvno: number, line: number): LongTermKey {
  const bytes = secret.startsWith(KEY_PREFIX) ? bytesFrom(secret.slice(KEY_PREFIX.length)) : undefined
  if (bytes?.length !== SIZE.KEY + SIZE.CHECK) throw invalid(line, 'the key is cut off or not a key')
  const key = bytes.slice(0, SIZE.KEY)
  if (!equalBytes(bytes.subarray(SIZE.KEY), checkOf(principal, kvno, key))) {
    throw invalid(line, 'the check fails: the line was altered, or belongs to another principal or kvno')
  }
  return new LongTermKey(key)
}

function bytesFrom(text: string): Uint8Array | undefined {
  try {
    return fromBase64url(text)
  } catch {
    return undefined
  }
}

const ZERO = new Uint8Array(1)

function checkOf(principal: Principal, kvno: number, key: Uint8Array): Uint8Array {
  const text = new TextEncoder()
  const covered = concatBytes(text.encode(principal), ZERO, text.encode(String(kvno)), ZERO, key)
  return sha256(covered).subarray(0, SIZE.CHECK)
}

function invalid(line: number, reason: string): OrthrusError {
  return new OrthrusError('keytab_invalid', `line ${line} of the keytab: ${reason}`, {
    final: true,
    hint: 'copy it again from where it was made, or make the principal anew: orthrus admin remove, then add',
  })
}

/**
 * One principal's keys of a keytab, the highest kvno first.
 * @param principal may be left out where the keytab has one only.
 * @throws OrthrusError `keytab_invalid` where the principal has no key in it, or several are there to choose from
 */
export function selectPrincipal(entries: readonly KeytabEntry[], principal?: Principal): KeytabEntry[] {
  const names = new Set(entries.map(entry => entry.principal))
  const chosen = principal ?? (names.size === 1 ? [...names][0] : undefined)
  if (chosen === undefined) {
    throw new OrthrusError('keytab_invalid', `the keytab has keys of ${[...names].join(', ')}`, {
      final: true,
      hint: 'say which principal is meant',
    })
  }
  const keys = entries.filter(entry => entry.principal === chosen).sort((a, b) => b.kvno - a.kvno)
  if (keys.length === 0) {
    throw new OrthrusError('keytab_invalid', `the keytab has no key of ${chosen}`, {
      final: true,
      principal: chosen,
      actual: [...names].join(', '),
    })
  }
  return keys
}
