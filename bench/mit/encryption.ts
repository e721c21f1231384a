import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  pbkdf2Sync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'

/** aes256-cts-hmac-sha384-192 of RFC 8009, the strongest that MIT's KDC has. */

export const ENCTYPE = { name: 'aes256-cts-hmac-sha384-192', number: 20, checksum: 20 } as const

const [BLOCK, KEY, MAC, ITERATIONS] = [16, 32, 24, 32_768]
const NO_IV = Buffer.alloc(BLOCK)

const PURPOSE = { CHECKSUM: 0x99, ENCRYPTION: 0xaa, INTEGRITY: 0x55 } as const

export function keyOfPassword(password: string, salt: string): Buffer {
  const salted = Buffer.from(`${ENCTYPE.name}\0${salt}`)
  return derive(pbkdf2Sync(password, salted, ITERATIONS, KEY, 'sha384'), Buffer.from('kerberos'), KEY)
}

export function encrypt(key: Uint8Array, usage: number, plain: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-cbc', deriveFor(key, usage, PURPOSE.ENCRYPTION, KEY), NO_IV)
  cipher.setAutoPadding(false)
  const whole = Buffer.concat([randomBytes(BLOCK), plain])
  const padded = Buffer.concat([whole, Buffer.alloc(-whole.length & (BLOCK - 1))])
  const blocks = cipher.update(padded)
  const last = padded.length - BLOCK
  // Ciphertext stealing: the last two blocks change places, and what was padded is cut away.
  const stolen = [
    blocks.subarray(0, last - BLOCK),
    blocks.subarray(last),
    blocks.subarray(last - BLOCK, last),
  ]
  const sealed = Buffer.concat(stolen).subarray(0, whole.length)
  return Buffer.concat([sealed, macOf(key, usage, sealed)])
}

/** @throws Error if the MAC is another */
export function decrypt(key: Uint8Array, usage: number, message: Buffer): Buffer {
  const sealed = message.subarray(0, message.length - MAC)
  if (!timingSafeEqual(macOf(key, usage, sealed), message.subarray(sealed.length))) {
    throw new Error('an answer of the KDC is not under the key')
  }
  const own = deriveFor(key, usage, PURPOSE.ENCRYPTION, KEY)
  const rest = sealed.length % BLOCK || BLOCK
  const last = sealed.length - rest
  const swapped = sealed.subarray(last - BLOCK, last)
  const tail = decryptBlocks(own, swapped)
  const stolen = Buffer.concat([sealed.subarray(last), tail.subarray(rest)])
  const plain = decryptBlocks(own, Buffer.concat([sealed.subarray(0, last - BLOCK), stolen, swapped]))
  return plain.subarray(BLOCK, sealed.length)
}

function decryptBlocks(key: Uint8Array, blocks: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-cbc', key, NO_IV)
  decipher.setAutoPadding(false)
  return decipher.update(blocks)
}

export function checksum(key: Uint8Array, usage: number, message: Uint8Array): Buffer {
  const own = deriveFor(key, usage, PURPOSE.CHECKSUM, MAC)
  return createHmac('sha384', own).update(message).digest().subarray(0, MAC)
}

function macOf(key: Uint8Array, usage: number, sealed: Uint8Array): Buffer {
  const own = deriveFor(key, usage, PURPOSE.INTEGRITY, MAC)
  return createHmac('sha384', own).update(NO_IV).update(sealed).digest().subarray(0, MAC)
}

function deriveFor(key: Uint8Array, usage: number, purpose: number, size: number): Buffer {
  return derive(key, Buffer.from([0, 0, 0, usage, purpose]), size)
}

function derive(key: Uint8Array, label: Uint8Array, size: number): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(size * 8)
  const hmac = createHmac('sha384', key)
    .update(Buffer.from([0, 0, 0, 1]))
    .update(label)
    .update(Buffer.alloc(1))
  return hmac.update(length).digest().subarray(0, size)
}
