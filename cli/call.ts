import { Command, InvalidArgumentError } from 'commander'
import { connect } from '../client/connect.js'
import { silentLogger } from '../shared/logger.js'
import { decodeCaveat } from '../shared/ticket/caveats.js'
import { parseCredential } from '../shared/ticket/credential.js'
import { type ConnectionOptions, hasLogin, kdcUrl, withLogin, withRealm } from './connection.js'
import { CommandFailed } from './failure.js'
import { type Terminal, textOf } from './terminal.js'

interface CallOptions extends ConnectionOptions {
  readonly service?: string
  readonly credential?: string
  readonly data?: string
  readonly header: [string, string][]
  readonly include?: boolean
}

/** `orthrus call`: one HTTP request, authenticated both ways; nothing of an unproved response is printed. */
export function callCommand(terminal: Terminal): Command {
  return withLogin(new Command('call'))
    .description('make an authenticated HTTP request and print the body of the answer')
    .usage('[options] [METHOD] URL')
    .argument('<url...>', 'the URL, behind a method where that is not GET, or POST with a body')
    .option('-s, --service <name>', 'the service that must answer')
    .option(
      '--credential <file>',
      'what somebody handed on, in place of --service; beside --keytab where it names a delegate',
    )
    .option('-d, --data <body>', 'a body to send')
    .option('-H, --header <header>', 'a header to send, as "content-type: text/plain"', parseHeader, [])
    .option('-i, --include', 'print status and headers as well')
    .action((words: string[], options: CallOptions) => call(terminal, requestLine(words, options), options))
}

interface RequestLine {
  readonly method: string
  readonly url: string
}

function requestLine(words: readonly string[], options: CallOptions): RequestLine {
  const [first, second, ...rest] = words
  if (first === undefined || rest.length > 0) throw new TypeError('name one URL: orthrus call [METHOD] URL')
  if (second !== undefined) return { method: first, url: second }
  return { method: options.data === undefined ? 'GET' : 'POST', url: first }
}

function parseHeader(text: string, before: [string, string][]): [string, string][] {
  const colon = text.indexOf(':')
  if (colon < 1) throw new InvalidArgumentError('Write a header as "name: value".')
  return [...before, [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]]
}

/** Not on the command line, where everybody on the machine can read it, unless only its holder can use it. */
function credentialFrom(argument: string): string {
  const text = textOf(argument).trim()
  if (text !== argument.trim()) return text
  if (!text.startsWith('orthrus1_'))
    throw new TypeError(`there is no file ${argument}, and it is no credential`)
  const named = parseCredential(text).caveats.some(caveat => decodeCaveat(caveat).name === 'holder')
  if (named) return text
  throw new TypeError('whoever sees it can use it: pass it in a file, or as - on standard input')
}

async function call(terminal: Terminal, { method, url }: RequestLine, options: CallOptions): Promise<void> {
  const init = {
    method,
    headers: options.header,
    ...(options.data === undefined ? {} : { body: options.data }),
  }
  await withCaller(terminal, options, async fetch => {
    const response = await fetch(url, init)
    const body = await response.text()
    const headers = Object.fromEntries(response.headers)
    if (options.json === true) {
      terminal.out(`${JSON.stringify({ status: response.status, headers, body })}\n`)
    } else {
      if (options.include === true) terminal.out(headText(response))
      terminal.out(body === '' || body.endsWith('\n') ? body : `${body}\n`)
    }
    if (response.status >= 400) throw new CommandFailed(`the service answered ${response.status}`)
  })
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** As oneself for a service, as a delegate beside one's own ticket, or with nothing but a credential. */
async function withCaller(
  terminal: Terminal,
  options: CallOptions,
  use: (fetch: Fetch) => Promise<void>,
): Promise<void> {
  const { service } = options
  if (options.credential === undefined) {
    if (service === undefined) throw new TypeError('say which service must answer: --service NAME')
    return withRealm(terminal, options, realm => use((url, init) => realm.fetch(url, { ...init, service })))
  }
  const credential = credentialFrom(options.credential)
  const named = service === undefined ? {} : { service }
  if (hasLogin(terminal, options)) {
    return withRealm(terminal, options, realm => {
      const ticket = realm.import(credential)
      return use((url, init) => realm.fetch(url, { ...init, ...named, ticket }))
    })
  }
  const realm = await connect({ kdc: kdcUrl(terminal, options), credential, logger: silentLogger })
  try {
    await use((url, init) => realm.fetch(url, { ...init, ...named }))
  } finally {
    realm.close()
  }
}

function headText(response: Response): string {
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\n`)
  return `${response.status}\n${headers.join('')}\n`
}
