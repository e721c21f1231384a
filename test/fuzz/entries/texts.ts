import { sha256 } from '#primitives'
import { originsFrom, urlsFrom } from '../../../client/connect-urls.js'
import { formatLogin, parseLogin } from '../../../client/kept-login/kept-login.js'
import { openSealedLogin, parseSealedLogin, sealLogin } from '../../../client/kept-login/sealed-login.js'
import { countedAddress, parseForwardedAddress } from '../../../kdc/transport/address.js'
import { TrustedProxies } from '../../../kdc/transport/trusted-proxies.js'
import {
  formatPolicyFile,
  POLICY_FILE_HEADER,
  parseExpectations,
  parsePolicyFile,
} from '../../../shared/administration/policy-file.js'
import { fromBase64url, toBase64url } from '../../../shared/bytes.js'
import { AuthKey, LongTermKey } from '../../../shared/crypto/keys.js'
import { seal } from '../../../shared/crypto/seal.js'
import { parseFurtherHeaders } from '../../../shared/http/further-headers.js'
import { formatFurtherHeaders, furtherHeadersOf } from '../../../shared/http/further-option.js'
import {
  formatChallenge,
  formatMessageHeader,
  parseChallenges,
  parseMessageHeader,
  parseMessages,
} from '../../../shared/http/headers.js'
import { formatJoinCode, parseJoinCode } from '../../../shared/keytab/join-code.js'
import { formatKeytab, parseKeytab, selectPrincipal } from '../../../shared/keytab/keytab.js'
import { isPattern, parseGroup, patternIn, patternsOf, shortPattern } from '../../../shared/pattern.js'
import {
  isPrincipal,
  isRealm,
  localPart,
  parsePrincipal,
  parseRealm,
  principalIn,
  realmOf,
} from '../../../shared/principal.js'
import { hasSecret } from '../../../shared/shown-text.js'
import { isInside, isPlainPath, pathOf } from '../../../shared/ticket/caveat-path.js'
import {
  formatCredential,
  openHandOff,
  parseCredential,
  sealHandOff,
} from '../../../shared/ticket/credential.js'
import { parseDuration } from '../../../shared/time.js'
import { LOGIN } from '../../support/kept-login.js'
import { fixedRandom, hex, vectors } from '../../vectors.js'
import {
  type Entry,
  latin1,
  type Measure,
  mistakeOf,
  ofText,
  outcomeOf,
  requireSame,
  textOf,
} from '../entry.js'
import { join } from '../mutate.js'

/** What people and headers write: names, patterns, paths, keytabs, credentials, the fields of HTTP. */

const principals = vectors<{ good: string[]; bad: string[] }>('principals')
const texts = vectors<{
  credential: { text: string; bad: string[] }
  handOff: { authKey: string; nonce16: string; array: string }
  keytab: { good: { text: string }[]; bad: string[] }
}>('texts')
const joins = vectors<{ good: { text: string }[]; bad: string[] }>('join')
const exchanges = vectors<{ apReq: { bytes: string }[]; errors: { bytes: string }[] }>('exchanges')

const REALM = parseRealm('demo.example')

function orMistake(take: () => string): string {
  try {
    return take()
  } catch (cause) {
    return mistakeOf(cause)
  }
}

function mustHold(holds: boolean, what: string): void {
  if (!holds) throw new Error(`it does not hold that ${what}`)
}

const names: Entry = {
  name: 'name, realm and pattern',
  form: 'text',
  seeds: ofText(...principals.good, ...principals.bad, 'web/*@demo.example', '*', '@backend', 'web', 'web/1'),
  run: (input, measure) => {
    const text = textOf(input)
    const isName = measure(() => isPrincipal(text))
    if (isPrincipal(text)) {
      mustHold(/^[\x21-\x7e]{3,381}$/.test(text) && text === text.toLowerCase(), 'a name has one spelling')
      mustHold(`${localPart(text)}@${realmOf(text)}` === text, 'a name is its two parts')
      mustHold(isRealm(realmOf(text)) && patternsOf(text).every(isPattern), 'its parts are what they are')
    }
    const said = [
      orMistake(() => measure(() => parsePrincipal(text))),
      orMistake(() => measure(() => parseRealm(text))),
      orMistake(() => measure(() => principalIn(REALM, text))),
      orMistake(() => measure(() => shortPattern(REALM, patternIn(REALM, text)))),
      orMistake(() => measure(() => parseGroup(text))),
    ]
    mustHold(isName === (said[0] === text), 'parsing and asking say the same')
    return said.map(each => (each === 'mistake' ? 'mistake' : 'taken')).join(' ')
  },
}

const policyFiles: Entry = {
  name: 'policy file',
  form: 'text',
  // A file of nothing but empty lines or short words takes some hundred bytes for each of them while it is read.
  floor: 16 * 1024 * 1024,
  seeds: ofText(
    `${POLICY_FILE_HEADER}
realm demo.example
group backend web orders
allow @backend billing --claim role=reader --claim "a b"="c" --claim n:=3 --claim l:=["a"] --max-life 15m
allow web orders --methods GET,HEAD --paths /a,/b --delegable --until 2027-01-31T12:00:00Z --rate 600/m
deny * billing --until 2027-01-31
expect web can call billing with role=reader GET /x delegable at 2027-01-01
expect web cannot call orders`,
    `${POLICY_FILE_HEADER}\nexpect web can call orders`,
    '# orthrus policy 2',
  ),
  run: (input, measure) => {
    const text = textOf(input)
    return [
      orMistake(() => {
        const written = formatPolicyFile(
          REALM,
          measure(() => parsePolicyFile(text)),
        )
        mustHold(formatPolicyFile(REALM, parsePolicyFile(written)) === written, 'a policy has one spelling')
        return 'taken'
      }),
      orMistake(() => `${measure(() => parseExpectations(text, REALM)).length}`),
    ]
      .map(each => (each === 'mistake' ? 'mistake' : 'taken'))
      .join(' ')
  },
}

const covered = vectors<{ request: { headers: Record<string, string> }[]; malformed: string[] }>('covered')

const furtherHeaders: Entry = {
  name: 'names of further headers',
  form: 'text',
  seeds: ofText(
    ...covered.request.map(({ headers }) => headers['orthrus-covered'] ?? ''),
    ...covered.malformed,
    Array.from({ length: 32 }, (_, i) => `h${10 + i}`).join(', '),
    'a, '.repeat(15_000),
    'a'.repeat(40_000),
  ),
  run: (input, measure) =>
    outcomeOf(() => {
      const text = latin1(input)
      const names = measure(() => parseFurtherHeaders(text))
      mustHold(formatFurtherHeaders(names) === text, 'a list is written in one way')
      mustHold(names.length <= 32 && new Set(names).size === names.length, 'no name is in it twice')
      const said = hasSecret(text) ? names : furtherHeadersOf('cover', names)
      mustHold(said.join() === names.join(), 'an option may say the same')
    }, ['malformed']),
}

const paths: Entry = {
  name: 'path',
  form: 'text',
  seeds: ofText(
    ...['/orders/7?x=1', '/', '/orders', '/orders/', '/ordersx', '/a/../b', '/a/%2e%2e/b', '/a/..;/b', '//a'],
    ...["/a%20b/-._~!$&'()*+,;=:@", '/a/.', '/a/b/%C3%A9', '*', 'http://x/orders', '/a\\b', '/orders/%'],
  ),
  run: (input, measure) => {
    const target = latin1(input)
    const path = pathOf(target) ?? ''
    if (!measure(() => isPlainPath(path))) {
      mustHold(!isInside(path, ['/', '/orders']), 'what could mean two things is inside nothing')
      return 'two meanings'
    }
    // What browsers and frameworks resolve is what was there.
    mustHold(new URL(`http://x${path}`).pathname === path, 'the path is the one that others read')
    return measure(() => isInside(path, ['/orders'])) ? 'inside' : 'outside'
  },
}

const keytabSeeds = ofText(...texts.keytab.good.map(({ text }) => text), ...texts.keytab.bad)
/** A file may have a whole MiB; what grows faster than its input shows at an eighth of that. */
const KEYTAB_MOST = 128 * 1024

const keytab: Entry = {
  name: 'keytab',
  form: 'text',
  seeds: keytabSeeds,
  most: KEYTAB_MOST,
  run: (input, measure) => outcomeOf(() => keytabAgain(textOf(input), measure), ['keytab_invalid']),
}

function keytabAgain(text: string, measure: Measure): void {
  const entries = measure(() => parseKeytab(text))
  const [first = '', ...lines] = text.split('\n')
  requireSame(formatKeytab(entries), [first, ...lines.filter(line => !line.startsWith('#'))].join('\n'))
  outcomeOf(() => selectPrincipal(entries), ['keytab_invalid'])
}

const ANY_KEY = new LongTermKey(new Uint8Array(32).fill(7))

/** Lines whose checks are right, however names and numbers were changed. */
const checkedKeytab: Entry = {
  name: 'keytab with checks that hold',
  form: 'text',
  seeds: keytabSeeds,
  most: KEYTAB_MOST,
  run: (input, measure) =>
    outcomeOf(() => keytabAgain(withChecks(textOf(input)), measure), ['keytab_invalid']),
}

function withChecks(text: string): string {
  return text
    .split('\n')
    .map(line => {
      const [principal = '', digits = '', ...rest] = line.split(' ')
      if (line.startsWith('#') || !isPrincipal(principal) || rest.length !== 1) return line
      const kvno = Number(digits)
      const [, made = ''] = formatKeytab([{ principal, kvno, key: ANY_KEY }]).split('\n')
      return `${principal} ${digits} ${made.split(' ')[2]}`
    })
    .join('\n')
}

const credentialText: Entry = {
  name: 'credential',
  form: 'text',
  seeds: ofText(texts.credential.text, ...texts.credential.bad),
  run: (input, measure) => {
    const text = textOf(input)
    return outcomeOf(
      () => requireSame(formatCredential(measure(() => parseCredential(text))), text),
      ['credential_invalid'],
    )
  },
}

const array = hex(texts.handOff.array)
const authKey = new AuthKey(hex(texts.handOff.authKey))
const nonce16 = hex(texts.handOff.nonce16)
const NONCE = new Uint8Array(24).fill(5)
const LABEL = new TextEncoder().encode('orthrus/1 hand-off')

const credentialArray: Entry = {
  name: 'credential whose check or seal holds',
  form: 'list',
  seeds: [array],
  run: (input, measure) =>
    outcomeOf(() => {
      const text = `orthrus1_${toBase64url(join(input, sha256(input).subarray(0, 4)))}`
      const credential = measure(() => parseCredential(text))
      requireSame(formatCredential(credential), text)
      const box = seal(authKey, 'hand-off', join(LABEL, nonce16), input, fixedRandom(NONCE))
      const handedOff = measure(() => openHandOff(authKey, nonce16, box))
      requireSame(sealHandOff(authKey, nonce16, handedOff, fixedRandom(NONCE)), box)
    }, ['credential_invalid']),
}

const joinCode: Entry = {
  name: 'join code',
  form: 'text',
  seeds: ofText(...joins.good.map(({ text }) => text), ...joins.bad),
  run: (input, measure) => {
    const text = textOf(input)
    return outcomeOf(
      () => requireSame(formatJoinCode(measure(() => parseJoinCode(text))), text),
      ['credential_invalid'],
    )
  },
}

const joinArray: Entry = {
  name: 'join code whose check holds',
  form: 'list',
  seeds: joins.good.map(({ text }) => fromBase64url(text.slice('orthrusjoin1_'.length)).slice(0, -4)),
  run: (input, measure) =>
    outcomeOf(() => {
      const text = `orthrusjoin1_${toBase64url(join(input, sha256(input).subarray(0, 4)))}`
      requireSame(formatJoinCode(measure(() => parseJoinCode(text))), text)
    }, ['credential_invalid']),
}

const LOGIN_TEXT = formatLogin(LOGIN)
/** The lines of a login without the first, each as its array. */
const LOGIN_ARRAYS = LOGIN_TEXT.trimEnd()
  .split('\n')
  .slice(1)
  .map(line => fromBase64url(line.slice(line.indexOf('_') + 1)).slice(0, -4))

/** Whatever is taken is written as tickets that are taken too, sorted by their ends. */
function takeLogin(text: string, measure: Measure): string {
  return outcomeOf(() => {
    const written = formatLogin(measure(() => parseLogin(text, 'ann.login')))
    requireSame(formatLogin(parseLogin(written, 'ann.login')), written)
  }, ['login_invalid'])
}

const loginText: Entry = {
  name: 'login of a person',
  form: 'text',
  seeds: ofText(LOGIN_TEXT, LOGIN_TEXT.replace('login 1', 'login 2'), '# orthrus login 1\n'),
  run: (input, measure) => takeLogin(textOf(input), measure),
}

const loginArray: Entry = {
  name: 'login of a person whose checks hold',
  form: 'list',
  seeds: LOGIN_ARRAYS.slice(0, 1),
  run: (input, measure) => {
    const line = `orthruslogin1_${toBase64url(join(input, sha256(input).subarray(0, 4)))}`
    return takeLogin(`# orthrus login 1\n${line}\n`, measure)
  },
}

const SEALING_KEY = new Uint8Array(32).fill(4)
const SEALED_TEXT = sealLogin(
  LOGIN_TEXT,
  { client: LOGIN.client, keyId: LOGIN.id },
  SEALING_KEY,
  length => new Uint8Array(length),
)

const sealedLogin: Entry = {
  name: 'sealed login of a person',
  form: 'text',
  seeds: ofText(SEALED_TEXT, LOGIN_TEXT, '# orthrus login 2\n'),
  run: (input, measure) =>
    outcomeOf(() => {
      const sealed = measure(() => parseSealedLogin(textOf(input), 'ann.login'))
      requireSame(openSealedLogin(sealed, SEALING_KEY, 'ann.login'), LOGIN_TEXT)
    }, ['login_invalid']),
}

const [apReq] = exchanges.apReq
const [error] = exchanges.errors

const httpFields: Entry = {
  name: 'Authorization, Authentication-Info and WWW-Authenticate',
  form: 'text',
  seeds: ofText(
    formatMessageHeader(hex(apReq?.bytes ?? '')),
    formatChallenge({ realm: REALM }),
    formatChallenge({ realm: REALM, code: 'replay', error: hex(error?.bytes ?? '') }),
    'Basic dXNlcjpwYXNz',
    'Orthrus',
    'orthrus   AAAA',
    'Basic realm="x, Orthrus realm="a", Orthrus AAAA, Orthrus realm="b", error="replay", message="AA"',
  ),
  run: (input, measure) => {
    const value = latin1(input)
    return [
      outcomeOf(() => {
        const bytes = measure(() => parseMessageHeader(value))
        if (bytes !== undefined) requireSame(formatMessageHeader(bytes).slice(8), value.replace(/^\S+ +/, ''))
      }, ['malformed', 'too_large']),
      outcomeOf(() => {
        for (const challenge of measure(() => parseChallenges(value))) {
          const again = parseChallenges(formatChallenge(challenge)).map(formatChallenge)
          requireSame(again.join(), formatChallenge(challenge))
        }
      }, []),
      outcomeOf(() => {
        for (const bytes of measure(() => parseMessages(value))) {
          requireSame(
            parseMessages(formatMessageHeader(bytes)).map(formatMessageHeader).join(),
            formatMessageHeader(bytes),
          )
        }
      }, []),
    ].join(' ')
  },
}

const base64url: Entry = {
  name: 'base64url',
  form: 'text',
  seeds: ofText('AAECAw', '', 'AA', '_-8', 'AB', 'A', 'AA==', 'AAé'),
  run: (input, measure) => {
    const text = textOf(input)
    return outcomeOf(() => requireSame(toBase64url(measure(() => fromBase64url(text))), text), ['malformed'])
  },
}

const options: Entry = {
  name: 'options of a connection, durations and addresses',
  form: 'text',
  seeds: ofText(
    ...['ws://127.0.0.1:8750', 'wss://kdc.example/x?y', 'http://127.0.0.1:8080', 'ws://[::1]:1', 'ws://a#b'],
    ...['15m', '90s', '0s', '::ffff:192.0.2.1', '2001:db8::1%eth0', '192.0.2.1', '1:2:3:4:5:6:7:8', ':::'],
  ),
  run: (input, measure) => {
    const text = textOf(input)
    const login = { principal: 'a@b', password: 'c' }
    const said = [
      orMistake(() => measure(() => urlsFrom({ kdc: text, keytab: { text: '' } }).join())),
      orMistake(() => measure(() => urlsFrom({ kdc: text, ...login }).join())),
      orMistake(() => originsFrom({ kdc: 'ws://a', keytab: { text: '' }, services: { [text]: 'a' } }).join()),
      orMistake(() => measure(() => principalIn(REALM, text))),
      measure(() => parseDuration(text)) === undefined ? 'mistake' : 'taken',
      measure(() => countedAddress(text)),
      measure(() => parseForwardedAddress(text)) === undefined ? 'mistake' : 'taken',
      orMistake(() => measure(() => PROXIES.clientOf('10.0.0.1', { 'x-forwarded-for': text }) ?? '')),
      orMistake(() => measure(() => PROXIES.clientOf('10.0.0.1', { forwarded: text }) ?? '')),
    ]
    return said.map(each => (each === 'mistake' ? 'mistake' : 'taken')).join(' ')
  },
}

const PROXIES = new TrustedProxies(['10.0.0.0/8'])

export const textEntries: readonly Entry[] = [
  names,
  policyFiles,
  paths,
  keytab,
  checkedKeytab,
  credentialText,
  credentialArray,
  joinCode,
  joinArray,
  loginText,
  sealedLogin,
  loginArray,
  httpFields,
  furtherHeaders,
  base64url,
  options,
]
