import type { Command } from 'commander'

/** The options for TLS on the KDC's listener. What reads the files is loaded when they are read. */

export interface TlsArguments {
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly allowReadableTlsKey?: boolean
}

export function addTlsOptions(command: Command): Command {
  return command
    .option('--tls-cert <file>', 'speak TLS: the certificate and those between it and the root, PEM')
    .option('--tls-key <file>', 'the key of the certificate, PEM; SIGHUP reads both files again')
    .option(
      '--allow-readable-tls-key',
      'accept a --tls-key that others can read, as containers mount secrets',
    )
}

/** @throws TypeError if only one of the two files is named */
export function requireBothFiles({ tlsCert, tlsKey }: TlsArguments): void {
  const isHalf = tlsCert === undefined ? tlsKey !== undefined : tlsKey === undefined
  if (isHalf) throw new TypeError('TLS needs both --tls-cert FILE and --tls-key FILE')
}
