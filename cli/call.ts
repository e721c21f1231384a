import { Command, InvalidArgumentError } from 'commander'
import { connect } from '../client/connect.js'
import { OrthrusError } from '../shared/errors.js'
import { silentLogger } from '../shared/logger.js'
import { decodeCaveat } from '../shared/ticket/caveats.js'
import { parseCredential } from '../shared/ticket/credential.js'
import { type ConnectionOptions, hasLogin, kdcUrl, withLogin, withRealm } from './connection.js'
import { CommandFailed } from './failure.js'
import { type OutputFile, reserveOutput } from './output-file.js'
import { type BodyOptions, bodyFrom } from './request-body.js'
import { printResponse, type ResponseOptions } from './response-output.js'
import { type Terminal, textOf } from './terminal.js'

interface CallOptions extends ConnectionOptions, BodyOptions, ResponseOptions {
  readonly service?: string
  readonly credential?: string
  readonly allowBearerCredential?: boolean
  readonly header?: [string, string][]
  readonly output?: string
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
    .option(
      '--allow-bearer-credential',
      "take a credential that names no holder: whoever handed it on can answer in the service's place",
    )
    .option('-d, --data <body>', 'a body to send: the text itself, @FILE, or - for standard input')
    .option('--data-raw <body>', 'the same, but always the text itself')
    .option('-H, --header <header>', 'a header to send, as "content-type: text/plain"', parseHeader)
    .option('-i, --include', 'print status and headers as well')
    .option('-o, --output <file>', 'write the body to a file, in place of what is in it')
    .action((words: string[], options: CallOptions) => call(terminal, requestLine(words, options), options))
}

interface RequestLine {
  readonly method: string
  readonly url: string
}

/** The method stays as it is typed: `fetch` puts those that it knows in upper case, and leaves `patch` alone. */
function requestLine(words: readonly string[], { data, dataRaw }: CallOptions): RequestLine {
  const [first = '', second, ...rest] = words
  if (rest.length > 0 || (second !== undefined && first.includes('/')))
    throw new TypeError('name one URL, behind the method: orthrus call [METHOD] URL')
  const url = second ?? first
  requireHttpUrl(url)
  if (second !== undefined) return { method: first, url }
  return { method: data === undefined && dataRaw === undefined ? 'GET' : 'POST', url }
}

/** The URL is not repeated where it may have a password in it. */
function requireHttpUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    const told = text.includes('@') ? '' : `: ${JSON.stringify(text)}`
    throw new TypeError(`not the URL of a service${told}; write http://127.0.0.1:8080/path`)
  }
  if (url.username !== '' || url.password !== '')
    throw new TypeError('leave the name and password out of the URL: the keytab says who calls')
}

function parseHeader(text: string, before: [string, string][] = []): [string, string][] {
  const colon = text.indexOf(':')
  if (colon < 1) throw new InvalidArgumentError('Write a header as "name: value".')
  return [...before, [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]]
}

/** Not on the command line, where everybody on the machine can read it, unless only its holder can use it. */
async function credentialFrom(argument: string): Promise<string> {
  const text = (await textOf(argument)).trim()
  if (text !== argument.trim()) return text
  if (!text.startsWith('orthrus1_'))
    throw new TypeError(`there is no file ${argument}, and it is no credential`)
  if (namesHolder(text)) return text
  throw new TypeError('whoever sees it can use it: pass it in a file, or as - on standard input')
}

/** @throws OrthrusError `credential_invalid` */
function namesHolder(credential: string): boolean {
  return parseCredential(credential).caveats.some(caveat => decodeCaveat(caveat).name === 'holder')
}

/** @throws OrthrusError `credential_invalid` for one that names no holder, unless the option takes such a one */
function requireHolder(credential: string, { allowBearerCredential }: CallOptions): void {
  if (namesHolder(credential) || allowBearerCredential === true) return
  throw new OrthrusError('credential_invalid', 'the credential names no holder', {
    final: true,
    hint: "ask for one made with --to NAME; --allow-bearer-credential takes it as it is, and then whoever handed it on can answer in the service's place",
  })
}

async function call(terminal: Terminal, { method, url }: RequestLine, options: CallOptions): Promise<void> {
  if (options.credential === '-' && (options.data === '-' || options.data === '@-'))
    throw new TypeError('standard input can be the credential or the body: pass one of them in a file')
  const body = await bodyFrom(options)
  const init = { method, headers: options.header ?? [], ...(body === undefined ? {} : { body }) }
  await withOutput(options, output =>
    withCaller(terminal, options, async fetch => {
      const response = await fetch(url, init)
      await printResponse(terminal, response, options, output)
      if (response.status < 400) return
      // For machines the document has it.
      throw new CommandFailed(options.json === true ? '' : `the service answered ${response.status}`)
    }),
  )
}

/** The place for the answer comes first: a request whose answer could not be kept would be sent in vain. */
async function withOutput(
  { output }: CallOptions,
  use: (output: OutputFile | undefined) => Promise<void>,
): Promise<void> {
  if (output === undefined || output === '-') return use(undefined)
  const file = await reserveOutput(output)
  try {
    await use(file)
  } finally {
    await file.abandon()
  }
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
  const credential = await credentialFrom(options.credential)
  requireHolder(credential, options)
  const allowed = { allowBearerCredential: options.allowBearerCredential === true }
  const named = service === undefined ? {} : { service }
  if (hasLogin(terminal, options)) {
    return withRealm(terminal, options, realm => {
      const ticket = realm.import(credential, allowed)
      return use((url, init) => realm.fetch(url, { ...init, ...named, ticket }))
    })
  }
  const realm = await connect({
    kdc: kdcUrl(terminal, options),
    credential,
    ...allowed,
    logger: silentLogger,
  })
  try {
    await use((url, init) => realm.fetch(url, { ...init, ...named }))
  } finally {
    realm.close()
  }
}
