import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { RunningKdc } from '../kdc/main.js'
import type { TlsIdentity } from '../kdc/transport/tls.js'
import { OrthrusError } from '../shared/errors.js'
import { codeOf } from '../shared/folder.node.js'
import type { PrivateFileKind } from '../shared/keytab/private-file.js'
import { readPrivateBytes } from '../shared/keytab/private-file.node.js'
import type { Logger } from '../shared/logger.js'
import { requireBothFiles, type TlsArguments } from './tls-options.js'

/** The files of the certificate and of its key, for TLS on the KDC's listener. */

// Windows has no such flag.
const NON_BLOCKING = constants.O_NONBLOCK ?? 0

/** Bytes. Some ten certificates. */
const CERTIFICATE_MAX = 64 * 1024

const TLS_KEY_FILE: PrivateFileKind = {
  name: 'TLS key',
  wayOut: { flag: '--allow-readable-tls-key' },
  hintIfMissing: 'name the file that your authority, or your tool for certificates, made',
  hintIfTaken: 'name another file',
  sizeMax: 64 * 1024,
}

/**
 * @returns `undefined` if no TLS is asked for
 * @throws TypeError if only one file is named; OrthrusError if one cannot be read, or the key is not private
 */
export async function tlsIdentity(options: TlsArguments): Promise<TlsIdentity | undefined> {
  const { tlsCert, tlsKey, allowReadableTlsKey = false } = options
  requireBothFiles(options)
  if (tlsCert === undefined || tlsKey === undefined) return undefined
  const certificate = await readCertificate(tlsCert)
  const { bytes } = await readPrivateBytes(TLS_KEY_FILE, tlsKey, { allowReadable: allowReadableTlsKey })
  return { certificate, key: bytes }
}

/** A pipe or device could keep whoever reads it waiting, and with it every later renewal. */
async function readCertificate(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, constants.O_RDONLY | NON_BLOCKING)
    try {
      const facts = await file.stat()
      if (!facts.isFile()) throw new TypeError(`${path} is not a plain file: name the certificate itself`)
      if (facts.size > CERTIFICATE_MAX)
        throw new TypeError(`${path} is larger than ${CERTIFICATE_MAX} bytes: is it a certificate?`)
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof TypeError) throw cause
    throw new OrthrusError('unavailable', `the certificate ${path} cannot be read: ${codeOf(cause)}`, {
      final: true,
      cause,
      hint: 'check the file of --tls-cert, and the folders above it',
    })
  }
}

/**
 * Reads both files again. If anything is wrong with them, the KDC goes on with what it has, and the log says so.
 * @param listeners the KDC, and what else speaks TLS by these files
 */
export async function renewTls(
  listeners: readonly Pick<RunningKdc, 'renewTls'>[],
  options: TlsArguments,
  logger: Logger,
): Promise<void> {
  try {
    const identity = await tlsIdentity(options)
    if (identity === undefined) throw new TypeError('the KDC was started without --tls-cert')
    for (const listener of listeners) listener.renewTls(identity)
    forget(identity)
    logger.info({ certificate: options.tlsCert }, 'the certificate was read again; new connections get it')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown reason'
    logger.error({ certificate: options.tlsCert, reason }, 'the certificate stays as it was')
  }
}

/** Overwrites the key, once the platform has read it. */
export function forget({ key }: TlsIdentity): void {
  if (typeof key !== 'string') key.fill(0)
}
