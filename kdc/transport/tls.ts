import { constants, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { OrthrusError } from '../../shared/errors.js'
import { type KnownOptions, requireKnownOptions } from '../../shared/options.js'

/** TLS on the listener itself. The protocol does not depend on it: it hides names, sizes of lists, and codes. */

/** What the listener shows and proves itself with: PEM, as text or bytes. */
export interface TlsIdentity {
  /** The certificate, and behind it those of the authorities between it and the root. */
  readonly certificate: string | Uint8Array
  readonly key: string | Uint8Array
}

const KNOWN: KnownOptions<TlsIdentity> = { certificate: true, key: true }

/** TLS 1.2 only with fresh keys for each connection, and with authenticated encryption. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE+AESGCM',
  'ECDHE+CHACHA20',
].join(':')

/**
 * @param now milliseconds
 * @returns what a server of the platform takes
 * @throws OrthrusError `unavailable` if certificate and key cannot be read, do not belong together, or are outdated
 * @throws TypeError for an option that does not exist
 */
export function secureOptions(identity: TlsIdentity, now: number): SecureContextOptions {
  requireKnownOptions('tls of startKdc', identity, KNOWN)
  const [cert, key] = [Buffer.from(identity.certificate), Buffer.from(identity.key)]
  const options: SecureContextOptions = {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    // A ticket would keep the key of all connections in one place for as long as the process lives.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
  requireCurrent(cert, now)
  explained(() => createSecureContext(options))
  return options
}

function requireCurrent(cert: Buffer, now: number): void {
  const { validTo, subject } = explained(() => new X509Certificate(cert))
  if (Date.parse(validTo) > now) return
  throw refused(`the certificate of ${subject.replaceAll('\n', ', ')} ended at ${validTo}`)
}

function explained<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    // The messages of OpenSSL name the reason, and never what is in the files.
    throw refused(`they cannot be used: ${cause instanceof Error ? cause.message : 'unknown reason'}`)
  }
}

function refused(reason: string): OrthrusError {
  return new OrthrusError('unavailable', `the certificate and key for TLS: ${reason}`, {
    final: true,
    hint: 'both must be PEM, belong together, and be current: openssl x509 -noout -dates -in FILE',
  })
}
