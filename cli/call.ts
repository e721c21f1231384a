import { Command } from 'commander'
import { OrthrusError } from '../shared/errors.js'
import { defaulted, parseSize } from './arguments.js'
import type { CallerOptions } from './caller.js'
import { withLogin } from './connection.js'
import { CommandFailed } from './failure.js'
import { type OutputFile, reserveOutput } from './output-file.js'
import { type BodyOptions, bodyFrom } from './request-body.js'
import { parseHeader, type RequestLine, requestLine } from './request-line.js'
import { printResponse, type ResponseOptions } from './response-output.js'
import { type Terminal, warn } from './terminal.js'

interface CallOptions extends CallerOptions, BodyOptions, Omit<ResponseOptions, 'serviceProved'> {
  readonly header?: [string, string][]
  readonly maxResponse: number
}

/** `orthrus call`: one HTTP request, authenticated both ways. Nothing of an unproved response is printed. */
export function callCommand(terminal: Terminal): Command {
  return withLogin(new Command('call'))
    .description('make an authenticated HTTP request and print the body of the answer')
    .usage('[options] [METHOD] URL')
    .argument('<url...>', 'the URL, after the method; without one it is GET, or POST where there is a body')
    .option('-s, --service <name>', 'the service that must answer')
    .option(
      '--credential <file>',
      'a credential that was handed on: with --service, and with --keytab where it names a delegate',
    )
    .option(
      '--allow-bearer-credential',
      "accept a credential that names no delegate: its giver can answer in the service's place",
    )
    .option('-d, --data <body>', 'a body to send: the text itself, @FILE, or - for standard input')
    .option('--data-raw <body>', 'the same, but always the text itself')
    .option('-H, --header <header>', 'a header to send, as "content-type: text/plain"', parseHeader)
    .option('-i, --include', 'print status and headers as well')
    .option('-o, --output <file>', 'write the body to a file, in place of what is in it')
    .addOption(defaulted('--max-response <size>', 'the largest answer to accept, as 64M', '8M', parseSize))
    .action((words: string[], options: CallOptions) => call(terminal, requestLine(words, options), options))
}

async function call(terminal: Terminal, { method, url }: RequestLine, options: CallOptions): Promise<void> {
  if (options.credential === '-' && (options.data === '-' || options.data === '@-'))
    throw new TypeError('standard input can be the credential or the body: pass one of them in a file')
  const body = await bodyFrom(options)
  const init = { method, headers: options.header ?? [], ...(body === undefined ? {} : { body }) }
  // The service reports how much it accepts.
  const sizes = { maxRequest: Number.MAX_SAFE_INTEGER, maxResponse: options.maxResponse }
  const { callFetch } = await import('./call-fetch.js')
  const own = callFetch(url, terminal.env)
  const settings = { ...sizes, ...(own === undefined ? {} : { fetch: own.fetch }) }
  const called = withOutput(options, async output => {
    const { withCaller } = await import('./caller.js')
    await withCaller(terminal, options, settings, async ({ fetch, service, serviceProved }) => {
      const response = await fetch(url, init).catch(cause => {
        throw withOwnOptions(cause)
      })
      await printResponse(terminal, response, { ...options, serviceProved }, output)
      if (!serviceProved && options.json !== true) {
        warn(
          terminal,
          options,
          `this does not prove that ${service} answered: the maker of the credential knows its key, and could have answered`,
        )
      }
      if (response.status < 400) return
      // With `--json`, the document has it.
      throw new CommandFailed(options.json === true ? '' : `the service answered ${response.status}`)
    })
  })
  await called.finally(() => own?.close())
}

/** The hint, with the option as it is typed here. */
function withOwnOptions(cause: unknown): unknown {
  const hint = cause instanceof OrthrusError ? cause.facts.hint : undefined
  if (!(cause instanceof OrthrusError) || hint?.includes('maxResponse') !== true) return cause
  const { code, reason, final, facts } = cause
  return new OrthrusError(code, reason, {
    ...facts,
    final,
    hint: hint.replace('maxResponse', '--max-response'),
    cause,
  })
}

/** The output file is reserved first, because a request whose answer could not be kept would be useless. */
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
