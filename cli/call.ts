import { Command, InvalidArgumentError } from 'commander'
import { type ConnectionOptions, withConnection, withRealm } from './connection.js'
import { CommandFailed } from './failure.js'
import type { Terminal } from './terminal.js'

interface CallOptions extends ConnectionOptions {
  readonly service: string
  readonly data?: string
  readonly header: [string, string][]
  readonly include?: boolean
}

/** `orthrus call`: one HTTP request, authenticated both ways; nothing of an unproved response is printed. */
export function callCommand(terminal: Terminal): Command {
  return withConnection(new Command('call'))
    .description('make an authenticated HTTP request and print the body of the answer')
    .argument('[method]', 'GET, or POST with a body, where it is left out')
    .argument('<url>')
    .requiredOption('-s, --service <name>', 'the service that must answer')
    .option('-d, --data <body>', 'a body to send')
    .option('-H, --header <header>', 'a header to send, as "content-type: text/plain"', parseHeader, [])
    .option('-i, --include', 'print status and headers as well')
    .action((method: string | undefined, url: string, options: CallOptions) =>
      call(terminal, method ?? (options.data === undefined ? 'GET' : 'POST'), url, options),
    )
}

function parseHeader(text: string, before: [string, string][]): [string, string][] {
  const colon = text.indexOf(':')
  if (colon < 1) throw new InvalidArgumentError('Write a header as "name: value".')
  return [...before, [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]]
}

async function call(terminal: Terminal, method: string, url: string, options: CallOptions): Promise<void> {
  await withRealm(terminal, options, async realm => {
    const init = {
      method,
      headers: options.header,
      ...(options.data === undefined ? {} : { body: options.data }),
    }
    const response = await realm.fetch(url, { ...init, service: options.service })
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

function headText(response: Response): string {
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\n`)
  return `${response.status}\n${headers.join('')}\n`
}
