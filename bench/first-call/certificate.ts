import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { DAY } from '../../shared/time.js'

/** Throw-away certificates (RFC 5280) that exist in memory only: a CA, and whom it vouches for. */

export interface Identity {
  readonly name: string
  /** PEM. */
  readonly key: string
  readonly certificate: string
}

export interface Authority {
  readonly identity: Identity
  readonly privateKey: KeyObject
}

const [BOOLEAN, INTEGER, BITS, OCTETS, OBJECT, UTF8, TIME] = [0x01, 0x02, 0x03, 0x04, 0x06, 0x0c, 0x17]
const [SEQUENCE, SET, VERSION, EXTENSIONS, IP_ADDRESS] = [0x30, 0x31, 0xa0, 0xa3, 0x87]

/** OIDs as DER has them: ecdsa-with-SHA256, commonName, basicConstraints, subjectAltName. */
const OID = {
  ECDSA_SHA256: '2a8648ce3d040302',
  COMMON_NAME: '550403',
  BASIC_CONSTRAINTS: '551d13',
  SUBJECT_ALT_NAME: '551d11',
} as const

export function createAuthority(): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = 'bench CA'
  const isAuthority = sequence(der(BOOLEAN, Buffer.from([0xff])))
  const extension = sequence(
    object(OID.BASIC_CONSTRAINTS),
    der(BOOLEAN, Buffer.from([0xff])),
    octets(isAuthority),
  )
  const content = { subject: name, issuer: name, publicKey, extension, end: Date.now() + DAY }
  const certificate = certify(content, privateKey)
  return { privateKey, identity: { name, key: pemOf(privateKey), certificate } }
}

/** A certificate for 127.0.0.1 and the name. @param end of its time, milliseconds */
export function createIdentity(authority: Authority, name: string, end = Date.now() + DAY): Identity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const addresses = sequence(der(IP_ADDRESS, Buffer.from([127, 0, 0, 1])))
  const extension = sequence(object(OID.SUBJECT_ALT_NAME), octets(addresses))
  const content = { subject: name, issuer: authority.identity.name, publicKey, extension, end }
  return { name, key: pemOf(privateKey), certificate: certify(content, authority.privateKey) }
}

interface Content {
  readonly subject: string
  readonly issuer: string
  readonly publicKey: KeyObject
  readonly extension: Buffer
  readonly end: number
}

function certify({ subject, issuer, publicKey, extension, end }: Content, signer: KeyObject): string {
  const algorithm = sequence(object(OID.ECDSA_SHA256))
  const serial = randomBytes(16)
  serial[0] = 0x40
  const content = sequence(
    der(VERSION, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    algorithm,
    nameOf(issuer),
    sequence(timeOf(Math.min(Date.now(), end) - DAY), timeOf(end)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(EXTENSIONS, sequence(extension)),
  )
  const signature = der(BITS, Buffer.from([0]), sign('sha256', content, signer))
  return pem('CERTIFICATE', sequence(content, algorithm, signature))
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content])
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  return length < 0x100 ? Buffer.from([0x81, length]) : Buffer.from([0x82, length >> 8, length & 0xff])
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(SEQUENCE, ...parts)
}

function object(oid: string): Buffer {
  return der(OBJECT, Buffer.from(oid, 'hex'))
}

function octets(content: Uint8Array): Buffer {
  return der(OCTETS, content)
}

function nameOf(name: string): Buffer {
  return sequence(der(SET, sequence(object(OID.COMMON_NAME), der(UTF8, Buffer.from(name)))))
}

/** YYMMDDHHMMSSZ. */
function timeOf(time: number): Buffer {
  return der(TIME, Buffer.from(`${new Date(time).toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`))
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}
