import { OrthrusError } from '../../shared/errors.js'

/** Where it listens: an address, or a socket that another process opened and handed over. */
export type ListenPlace = { readonly host: string; readonly port: number } | { readonly fd: number }

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
  [
    'NOT_TCP',
    [
      'is no TCP socket',
      'connections over it would have no address: write ListenStream=HOST:PORT in the unit',
    ],
  ],
  ['ENOTFOUND', ['has a host name that has no address', 'check the name, or give an address']],
])

/**
 * Why an address cannot be listened on, with what to do.
 * @param setting what names the address: for the KDC `--listen` on the command line, `listen` in a program
 */
export function explainListenFailure(
  place: ListenPlace,
  cause: unknown,
  setting = '--listen HOST:PORT, or in a program by listen: { host, port }',
): OrthrusError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const [reason, hint] = REASONS.get(code) ?? [
    `cannot be listened on: ${String(code)}`,
    'try another address',
  ]
  return new OrthrusError('unavailable', `${told(place)} ${reason}`, {
    cause,
    hint: `${hint}; it is set by ${setting}`,
  })
}

function told(place: ListenPlace): string {
  if ('fd' in place) return `the socket that was handed over as file ${place.fd}`
  const { host, port } = place
  return `the address ${host.includes(':') ? `[${host}]` : host}:${port}`
}
