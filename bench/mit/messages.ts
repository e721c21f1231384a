import { randomBytes } from 'node:crypto'
import { DAY } from '../../shared/time.js'
import {
  application,
  bits,
  contentOf,
  field,
  fieldOf,
  integer,
  kerberosTime,
  octets,
  partsOf,
  sequence,
  text,
} from './der.js'
import { checksum, decrypt, ENCTYPE, encrypt } from './encryption.js'

/** AS and TGS of RFC 4120, as far as the bench asks MIT's KDC. */

export const MIT = {
  realm: 'BENCH.EXAMPLE',
  client: 'client',
  service: 'service',
  password: 'of the bench',
} as const

/** Application tags of the messages, which their types are too. */
const MESSAGE = { AS_REQ: 10, AS_REP: 11, TGS_REQ: 12, TGS_REP: 13, AP_REQ: 14, AUTHENTICATOR: 2 } as const
const USAGE = { TIMESTAMP: 1, AS_REP: 3, CHECKSUM: 6, AUTHENTICATOR: 7, TGS_REP: 8 } as const
const PADATA = { TGS_REQ: 1, ENC_TIMESTAMP: 2 } as const

export interface MitGrant {
  readonly ticket: Buffer
  readonly key: Buffer
}

/** A login whose request proves the key, as our AS-REQ does. */
export function askMitAs(key: Buffer): Buffer {
  const now = Date.now()
  const stamp = sequence(field(0, kerberosTime(now)), field(1, integer((now % 1000) * 1000)))
  const proof = encryptedData(encrypt(key, USAGE.TIMESTAMP, stamp))
  return request(MESSAGE.AS_REQ, PADATA.ENC_TIMESTAMP, proof, bodyOf('krbtgt', MIT.realm))
}

export function askMitTgs({ ticket, key }: MitGrant): Buffer {
  const body = bodyOf(MIT.service)
  const sealed = encryptedData(encrypt(key, USAGE.AUTHENTICATOR, authenticator(key, body)))
  const head = [field(0, integer(5)), field(1, integer(MESSAGE.AP_REQ)), field(2, bits(0))]
  const proof = application(MESSAGE.AP_REQ, sequence(...head, field(3, ticket), field(4, sealed)))
  return request(MESSAGE.TGS_REQ, PADATA.TGS_REQ, proof, body)
}

/** @throws Error for a refusal, or what is not under the key */
export function openMitAs(key: Buffer, answer: Buffer): MitGrant {
  return openReply(key, answer, MESSAGE.AS_REP, USAGE.AS_REP)
}

/** @throws Error for a refusal, or what is not under the key */
export function openMitTgs({ key }: MitGrant, answer: Buffer): MitGrant {
  return openReply(key, answer, MESSAGE.TGS_REP, USAGE.TGS_REP)
}

/** Whether it is an answer, and no refusal. */
export function isMitAnswer(answer: Buffer): boolean {
  return answer[0] === (0x60 | MESSAGE.AS_REP) || answer[0] === (0x60 | MESSAGE.TGS_REP)
}

function openReply(key: Buffer, answer: Buffer, message: number, usage: number): MitGrant {
  if (answer[0] !== (0x60 | message)) throw new Error(`MIT's KDC refused: ${answer.toString('latin1')}`)
  const parts = partsOf(contentOf(answer))
  const sealed = contentOf(fieldOf(partsOf(fieldOf(parts, 6)), 2))
  const secret = partsOf(fieldOf(partsOf(contentOf(decrypt(key, usage, sealed))), 0))
  return { ticket: fieldOf(parts, 5), key: contentOf(fieldOf(secret, 1)) }
}

function authenticator(key: Buffer, body: Buffer): Buffer {
  const now = Date.now()
  const sum = checksum(key, USAGE.CHECKSUM, body)
  const parts = [
    field(0, integer(5)),
    field(1, text(MIT.realm)),
    field(2, nameOf(MIT.client)),
    field(3, sequence(field(0, integer(ENCTYPE.checksum)), field(1, octets(sum)))),
    field(4, integer((now % 1000) * 1000 + (randomBytes(2).readUInt16BE() % 1000))),
    field(5, kerberosTime(now)),
  ]
  return application(MESSAGE.AUTHENTICATOR, sequence(...parts))
}

function request(type: number, padata: number, value: Buffer, body: Buffer): Buffer {
  const proof = sequence(field(1, integer(padata)), field(2, octets(value)))
  const head = [field(1, integer(5)), field(2, integer(type)), field(3, sequence(proof))]
  return application(type, sequence(...head, field(4, body)))
}

function bodyOf(...service: readonly string[]): Buffer {
  const client = service.length > 1 ? [field(1, nameOf(MIT.client))] : []
  return sequence(
    field(0, bits(0)),
    ...client,
    field(2, text(MIT.realm)),
    field(3, nameOf(...service)),
    field(5, kerberosTime(Date.now() + DAY)),
    field(7, integer(randomBytes(4).readUInt32BE() >>> 1)),
    field(8, sequence(integer(ENCTYPE.number))),
  )
}

function nameOf(...components: readonly string[]): Buffer {
  return sequence(field(0, integer(1)), field(1, sequence(...components.map(text))))
}

function encryptedData(cipher: Buffer): Buffer {
  return sequence(field(0, integer(ENCTYPE.number)), field(2, octets(cipher)))
}
