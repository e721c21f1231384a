import { OrthrusError } from '../../shared/errors.js'

const REASONS: ReadonlyMap<unknown, readonly [reason: string, hint: string]> = new Map([
  [
    'EADDRINUSE',
    [
      'is in use already',
      'is another KDC running? End it, or listen elsewhere; port 0 takes any that is free',
    ],
  ],
  ['EACCES', ['is not allowed to this user', 'ports below 1024 need a privilege: take a higher one']],
  [
    'EADDRNOTAVAIL',
    ['is not an address of this machine', 'name one of its own; 0.0.0.0 stands for all of them'],
  ],
  ['ENOTFOUND', ['has a host name that has no address', 'check the name, or give an address']],
])

/**
 * Why an address cannot be listened on, with what to do.
 * @param setting what names the address: for the KDC `--listen` on the command line, `listen` in a program
 */
export function explainListenFailure(
  host: string,
  port: number,
  cause: unknown,
  setting = '--listen HOST:PORT, or listen: { host, port }',
): OrthrusError {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const [reason, hint] = REASONS.get(code) ?? [
    `cannot be listened on: ${String(code)}`,
    'try another address',
  ]
  return new OrthrusError('unavailable', `the address ${address} ${reason}`, {
    cause,
    hint: `${hint} (${setting})`,
  })
}
