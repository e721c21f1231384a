import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { adminCommand } from '../../../cli/admin.js'
import {
  collectClaims,
  parseClaim,
  parseDuration,
  parseEnd,
  parseInstant,
  parseList,
  parseListen,
  parseMethods,
  parseOrigin,
  parsePaths,
  parseRate,
  parseSize,
} from '../../../cli/arguments.js'
import { callCommand } from '../../../cli/call.js'
import { delegateCommand } from '../../../cli/delegate.js'
import { getCommand } from '../../../cli/get.js'
import { initCommand } from '../../../cli/init.js'
import { inspectCommand } from '../../../cli/inspect.js'
import { kdcCommand } from '../../../cli/kdc.js'
import { keytabName } from '../../../cli/keytab-output.js'
import { parseCount, parseHeaderName } from '../../../cli/proxy/common-options.js'
import { parseHttpOrigin, parseHttpPlace } from '../../../cli/proxy/place.js'
import {
  decodeUpgrade,
  decodeUpgradeAnswer,
  encodeUpgrade,
  encodeUpgradeAnswer,
} from '../../../cli/proxy/upgrade-head.js'
import { parseHeader } from '../../../cli/request-line.js'
import { run } from '../../../cli/run.js'
import { decodeHead } from '../../../cli/tunnel/head.js'
import { parsePlace, parseTarget, shownPlace } from '../../../cli/tunnel/place.js'
import { writeRate } from '../../../shared/administration/policy-text.js'
import { toBase64url } from '../../../shared/bytes.js'
import { TYPE } from '../../../shared/constants.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { seal } from '../../../shared/crypto/seal.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { header } from '../../../shared/encoding/message.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { isPrincipal } from '../../../shared/principal.js'
import { decodeTicket } from '../../../shared/ticket/ticket.js'
import { fixedRandom, hex, vectors } from '../../vectors.js'
import { type Entry, mistakeOf, ofText, textOf } from '../entry.js'
import { join } from '../mutate.js'
import { listOfJson, tickets } from './messages.js'

/** The command line, in this process: everything up to what a command would do, and `inspect` to its end. */

const texts = vectors<{ credential: { text: string }; keytab: { good: { text: string }[] } }>('texts')

function orMistake(take: () => unknown): string {
  try {
    take()
    return 'taken'
  } catch (cause) {
    return cause instanceof InvalidArgumentError ? 'mistake' : mistakeOf(cause)
  }
}

const values: Entry = {
  name: 'command line: the values of options',
  form: 'text',
  // Lists of nothing but commas, and claims of three letters, become many texts of 400 bytes each: only the user who
  // runs the command can send them, and no more than a command line holds.
  most: 16 * 1024,
  floor: 2 * 1024 * 1024,
  seeds: ofText(
    ...['90s', '15m', 'GET,HEAD', '/a,/b', 'role=reader', 'tier:=3', 'on:=true', 'a=1\na=2', '__proto__=x'],
    ...[
      '2027-01-31',
      '2027-01-31T12:00:00Z',
      '127.0.0.1:8750',
      '[::1]:0',
      'web/1@demo.example',
      ':=',
      '64M',
      'content-type: text/plain',
      '2027-02-30',
    ],
  ),
  run: (input, measure) => {
    const text = textOf(input)
    const claims = () =>
      text.split('\n').reduce<ReturnType<typeof parseClaim>>((all, one) => parseClaim(one, all), [])
    const parsers: (() => unknown)[] = [
      () => parseDuration(text),
      () => parseList(text),
      () => parseMethods(text),
      () => parseClaim(text),
      () => parseInstant(text),
      () => parseEnd(text),
      () => writeRate(parseRate(text)),
      () => parseListen(text),
      () => shownPlace(parseTarget(text)),
      () => shownPlace(parsePlace(text)),
      () => decodeHead(Buffer.from(text, 'latin1')),
      () => parseCount(text),
      () => parseHeaderName(text),
      () => parseHttpOrigin(text),
      () => parseHttpPlace(text, parsePlace),
      () => parseOrigin(text),
      () => parseSize(text),
      () => parsePaths(text),
      () => parseHeader(text),
      () => collectClaims(claims()),
      () => isPrincipal(text) && keytabName(text),
    ]
    return parsers.map(parse => orMistake(() => measure(parse))).join(' ')
  },
}

const upgrades: Entry = {
  name: 'proxy: the first message of a WebSocket',
  form: 'text',
  // The largest message that an end of a proxy accepts.
  most: 64 * 1024,
  // A list of empty lists takes 16 bytes and more for each of them, before it is seen to be none of headers.
  floor: 2 * 1024 * 1024,
  seeds: [
    encodeUpgrade([
      ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ['cookie', 'a=\u00ff'],
    ]),
    encodeUpgradeAnswer({ status: 101, headers: [['sec-websocket-protocol', 'chat']] }),
    encodeUpgradeAnswer({ status: 403, headers: [] }),
    ...ofText('{"upgrade":"websocket","headers":[[],[],[]]}', '[[[[[[[[', '{"status":1e2,"headers":[]}'),
  ],
  run: (input, measure) => {
    const [upgrade, answer] = measure(() => [decodeUpgrade(input), decodeUpgradeAnswer(input)] as const)
    return `${upgrade === undefined ? 'none' : 'taken'} ${answer === undefined ? 'none' : 'taken'}`
  },
}

/** The real commands, except for what they do. */
function harmless(): Command[] {
  const terminal = { out: () => {}, err: () => {}, env: {} }
  const made = [
    adminCommand,
    callCommand,
    delegateCommand,
    getCommand,
    initCommand,
    inspectCommand,
    kdcCommand,
  ]
  const commands = made.map(make => make(terminal))
  const all = [...commands, ...commands.flatMap(command => command.commands)]
  for (const command of all) {
    command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} })
    if (command.commands.length === 0) command.action(() => {})
  }
  return commands
}

const lines: Entry = {
  name: 'command line: words',
  form: 'text',
  seeds: ofText(
    ...[
      'get\norders\n--lifetime\n15m',
      'call\nPOST\nhttp://x/\n--data\n{}\n--header\na: b',
      'init\ndemo.example',
    ],
    ...[
      'admin\nadd\nweb\n--max-life\n1h\n--expires\n2027-01-31',
      'kdc\n--listen\n[::1]:8750\n--log-level\ninfo',
    ],
    ...[
      'admin\nallow\nweb\norders\n--claim\nrole=reader\n--claim\ntier:=3\n--methods\nGET\n--paths\n/a',
      'inspect\n-',
    ],
    ...[
      'delegate\norders\n--to\ngate\n--expires\n5m\n--claims\na,b',
      'admin\nlist\n--json',
      'get\n--help',
      '--\n-x',
    ],
  ),
  quick: 100,
  // Each run makes the commands again, as each process does.
  floor: 2 * 1024 * 1024,
  run: async (input, measure) => {
    const [name, ...words] = textOf(input).split('\n').slice(0, 200)
    const command = harmless().find(each => each.name() === name)
    if (command === undefined) return 'no command'
    try {
      await measure(() => command.parseAsync(words, { from: 'user' }))
      return 'taken'
    } catch (cause) {
      if (cause instanceof CommanderError) return cause.code
      return mistakeOf(cause)
    }
  },
}

/** The messages of V8 for something that is not what the code took it for. */
const DEFECT = /Cannot read|is not (?:a function|iterable)|call stack|Invalid (?:array|time)|out of range/

const inspected = (args: readonly string[]) => ran(['inspect', ...args])

async function ran(args: readonly string[]): Promise<string> {
  let said = ''
  const err = (text: string): void => {
    said += text
  }
  const code = await run(args, { out: () => {}, err, env: {} })
  if (DEFECT.test(said)) throw new Error(said)
  return `${code} ${said.slice(0, 24).trim()}`
}

function inspect(folder: string): Entry {
  const file = joinPath(folder, 'what')
  return {
    name: 'command line: a file to inspect',
    form: 'text',
    seeds: ofText(
      texts.credential.text,
      texts.keytab.good[0]?.text ?? '',
      toBase64url(hex(tickets.good[0]?.bytes ?? '')),
    ),
    quick: 25,
    floor: 2 * 1024 * 1024,
    run: (content, measure) => {
      writeFileSync(file, content)
      return measure(() => inspected([file]))
    },
  }
}

function settings(folder: string): Entry {
  const file = joinPath(folder, 'kdc.toml')
  return {
    name: 'command line: a file of settings',
    form: 'text',
    seeds: ofText(
      'listen = "[::1]:8750"\ntrusted-proxy = ["10.0.0.0/8"]\n[limits]\nparams = "30/1m"\nidle = "5m"\n',
      'data = """a\nb"""\nlimits.connections = 0x10\nallow-readable-master-key = true\n',
    ),
    quick: 25,
    // Each run makes the command again, as each process does.
    floor: 4 * 1024 * 1024,
    run: (content, measure) => {
      writeFileSync(file, content, { mode: 0o600 })
      return measure(() => ran(['kdc', '--config', file, '--print-config']))
    },
  }
}

function inspectTicket(folder: string): Entry {
  const [good] = tickets.good
  const key = new LongTermKey(hex(good?.serviceKey ?? ''))
  const { service, kvno } = decodeTicket(hex(good?.bytes ?? ''))
  const keytab = joinPath(folder, 'keytab')
  writeFileSync(keytab, formatKeytab([{ principal: service, kvno, key }]), { mode: 0o600 })
  const aad = join(header(TYPE.TICKET), encode([service, kvno]))
  return {
    name: 'command line: inside of a ticket to inspect',
    form: 'list',
    seeds: tickets.good.map(({ fields }) => listOfJson(fields)),
    most: 3 * 1024,
    quick: 25,
    floor: 2 * 1024 * 1024,
    run: (plaintext, measure) => {
      const box = seal(key, 'ticket', aad, plaintext, fixedRandom(new Uint8Array(24)))
      const ticket = join(header(TYPE.TICKET), encode([service, kvno, box]))
      return measure(() => inspected([toBase64url(ticket), '--keytab', keytab, '--json']))
    },
  }
}

/** @returns the entries, and a function that cleans up after them */
export function cliEntries(): { entries: Entry[]; end: () => void } {
  const folder = mkdtempSync(joinPath(tmpdir(), 'orthrus-fuzz-'))
  const entries = [values, lines, upgrades, inspect(folder), inspectTicket(folder), settings(folder)]
  return { entries, end: () => rmSync(folder, { recursive: true, force: true }) }
}
