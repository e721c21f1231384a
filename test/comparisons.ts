/**
 * Finds in a source where bytes or secrets are compared otherwise than by `equalBytes`. It reads text, not syntax, and
 * rather finds too much: what it finds and is right is named as an exception, with the reason.
 */

/** Words of a name that say it may hold what must be compared in constant time. */
const SECRET = new Set(
  'mac macs hmac tag tags digest digests binding bindings proof proofs key keys secret secrets check checked checksum hash sha256 sealed box salt hex base64url password mac32 bytes'.split(
    ' ',
  ),
)

/** The last parts of a path that say it is something else: `mac.length`, `key.kvno`. */
const HARMLESS = new Set(
  'length kvno size byteLength code name principal service client flag constructor fromPassword log2N'.split(
    ' ',
  ),
)

const LITERAL = /^(undefined|null|true|false|typeof|-?\d[\w.]*|['"`].*|[A-Z][A-Z0-9_]*(\.[A-Z][A-Z0-9_]*)*)$/

/** A path, with a call or an index behind it at the most. */
const OPERAND = String.raw`(?:typeof\s+)?(?:['"\x60][^'"\x60\n]*['"\x60]|[-\w$.#?!]+(?:\([^()\n]*\)|\[[^\]\n]*\])*(?:[.?][\w$.#?]+(?:\([^()\n]*\))?)*)`
const COMPARISON = new RegExp(String.raw`(${OPERAND})(?:\s+as\s+\w+\)?)?\s*[!=]==?\s*\(?(${OPERAND})`, 'g')

/** Other ways to compare, whatever is compared. */
const OTHER_WAYS = /\b(timingSafeEqual|isDeepStrictEqual|deepEqual|localeCompare)\b|\.(equals|compare)\(/
/** Ways to look for one value among others, which compare too. */
const LOOK_UP = new RegExp(
  String.raw`(${OPERAND})\.(?:includes|indexOf|lastIndexOf|startsWith|endsWith|has|get)\(([^()\n]*(?:\([^()\n]*\))?[^()\n]*)\)`,
  'g',
)
const LOOKED_UP = new Set('mac macs hmac tag digest binding proof hex base64url mac32'.split(' '))

/** The lines at fault, trimmed. */
export function carelessComparisons(source: string): string[] {
  return withoutComments(source)
    .split('\n')
    .filter(line => !/^\s*(import|export \{)/.test(line))
    .filter(line => comparesByOperator(line) || OTHER_WAYS.test(line) || looksUp(line))
    .map(line => line.trim())
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')
}

function comparesByOperator(line: string): boolean {
  return [...line.matchAll(COMPARISON)].some(([, left = '', right = '']) => {
    if (LITERAL.test(left) || LITERAL.test(right) || isHarmless(left) || isHarmless(right)) return false
    return isElement(left) || isElement(right) || mayBeSecret(left, SECRET) || mayBeSecret(right, SECRET)
  })
}

function looksUp(line: string): boolean {
  return [...line.matchAll(LOOK_UP)].some(([, where = '', what = '']) =>
    [where, what].some(side => !LITERAL.test(side) && mayBeSecret(side, LOOKED_UP)),
  )
}

function isHarmless(operand: string): boolean {
  const last = /([\w$]+)$/.exec(operand)?.[1]
  return operand.startsWith('typeof') || (last !== undefined && HARMLESS.has(last))
}

/** Bytes one after the other: `a[i]`. */
function isElement(operand: string): boolean {
  return /\[[^'"\]]*[a-z][^'"\]]*\]$/.test(operand)
}

/** Whether the end of the path, or what a call is given, has a word that says so. */
function mayBeSecret(operand: string, words: ReadonlySet<string>): boolean {
  // Of `mac.toString()` what is before the call counts too.
  const outer = operand
    .replace(/\(.*$/, '')
    .split('.')
    .slice(operand.endsWith(')') ? -2 : -1)
    .join(' ')
  const inner = /\((.*)/.exec(operand)?.[1] ?? ''
  return [outer, ...inner.split(/[(),\s]+/).map(path => path.split('.').at(-1) ?? '')].some(name =>
    name
      .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .some(word => words.has(word)),
  )
}
