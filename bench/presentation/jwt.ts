import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { createVerifier } from 'fast-jwt'
import { importSPKI, jwtVerify, SignJWT } from 'jose'
import { type BoundOperation, bindOperation } from '../measure.js'
import { KNOWN } from './service.js'

/** JSON Web Tokens with about the content of a ticket; issuer, audience, expiry and algorithm are checked. */

const [ISSUER, AUDIENCE] = ['kdc@bench.example', 'orders@bench.example']

type Verify = (token: string) => unknown

export async function jwtOperations(): Promise<BoundOperation[]> {
  const secret = randomBytes(32)
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const [byMac, bySignature] = [await sign('HS256', secret), await sign('EdDSA', privateKey)]
  return [
    peer('jose.hs256', 'jose, HS256', byMac, verifyByJose(await importSecret(secret), 'HS256')),
    peer('jose.eddsa', 'jose, EdDSA', bySignature, verifyByJose(await importSPKI(pem, 'EdDSA'), 'EdDSA')),
    peer('fast-jwt.hs256', 'fast-jwt, HS256', byMac, verifyByFastJwt(secret, 'HS256')),
    peer('fast-jwt.eddsa', 'fast-jwt, EdDSA', bySignature, verifyByFastJwt(pem, 'EdDSA')),
  ]
}

function peer(id: string, name: string, token: string, verify: Verify): BoundOperation {
  return bindOperation({
    head: { id, name: `${name} verify`, peer: true, beside: KNOWN },
    prepare: () => token,
    run: verify,
  })
}

function sign(alg: 'HS256' | 'EdDSA', key: Uint8Array | KeyObject): Promise<string> {
  return new SignJWT({ role: 'reader' })
    .setProtectedHeader({ alg })
    .setIssuer(ISSUER)
    .setSubject('web@bench.example')
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(key)
}

/** Imported once, as the fastest way of using it. */
function importSecret(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

function verifyByJose(key: CryptoKey, algorithm: string): Verify {
  const options = { issuer: ISSUER, audience: AUDIENCE, algorithms: [algorithm] }
  return token => jwtVerify(token, key, options)
}

/** Without its cache, which answers a token it has seen before without verifying it. */
function verifyByFastJwt(key: string | Buffer, algorithm: 'HS256' | 'EdDSA'): Verify {
  const options = { allowedIss: ISSUER, allowedAud: AUDIENCE, algorithms: [algorithm], cache: false }
  return createVerifier({ key, ...options })
}
