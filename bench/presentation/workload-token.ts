import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { type CryptoKey, importJWK, type JWK, jwtVerify } from 'jose'
import { type BoundOperation, bindOperation } from '../measure.js'
import { KNOWN } from './service.js'

/**
 * The peer of the standards track: a workload identity token, and a proof token for each request
 * (draft-ietf-wimse-workload-creds-02 and draft-ietf-wimse-wpt-01), verified by jose as the drafts say. Each proof is a
 * fresh one and is taken once. Nothing is proved back.
 */

const ISSUER = 'https://kdc.bench.example'
const SUBJECT = 'wimse://bench.example/web'
const TARGET = 'https://orders.bench.example/orders/7'
const HOUR_SECONDS = 3600
const PROOF_SECONDS = 60

type Algorithm = 'ES256' | 'EdDSA'

/** What a request brings in its two headers. */
interface Presented {
  readonly identity: string
  readonly proof: string
}

interface Signer {
  readonly algorithm: Algorithm
  readonly privateKey: KeyObject
  readonly jwk: JWK
}

/** What a verified identity token said. */
interface Workload {
  readonly key: CryptoKey
  readonly algorithm: string
  /** Seconds since 1970. */
  readonly expiry: number
}

export async function workloadTokenOperations(): Promise<BoundOperation[]> {
  const operations = (['ES256', 'EdDSA'] as const).map(async algorithm => {
    const issuer = makeSigner(algorithm)
    const one = makePresenter(issuer)
    const name = `jose, workload identity and proof, ${algorithm}`
    return [
      await operation(`wimse.${algorithm}.known`, `${name}, identity known`, issuer, one),
      await operation(`wimse.${algorithm}.new`, `${name}, identity new`, issuer, () =>
        makePresenter(issuer)(),
      ),
    ]
  })
  return (await Promise.all(operations)).flat()
}

async function operation(
  id: string,
  name: string,
  issuer: Signer,
  prepare: () => Presented,
): Promise<BoundOperation> {
  const verifier = new ProofVerifier(await keyOf(issuer.jwk), issuer.algorithm)
  return bindOperation({
    head: { id, name, peer: true, beside: KNOWN },
    prepare,
    run: presented => verifier.verify(presented),
  })
}

class ProofVerifier {
  readonly #issuer: CryptoKey
  readonly #algorithm: Algorithm
  /** By the hash of the token, as a service would keep it: verifying the same token again proves nothing more. */
  readonly #workloads = new Map<string, Workload>()
  /** Of the proofs that have been taken, for as long as they would be valid. */
  readonly #taken = new Set<string>()

  constructor(issuer: CryptoKey, algorithm: Algorithm) {
    this.#issuer = issuer
    this.#algorithm = algorithm
  }

  async verify({ identity, proof }: Presented): Promise<void> {
    const hash = hashOf(identity)
    const { key, algorithm } = this.#known(hash) ?? (await this.#verifyIdentity(identity, hash))
    const rules = {
      algorithms: [algorithm],
      typ: 'wpt+jwt',
      audience: TARGET,
      requiredClaims: ['exp', 'jti', 'wth'],
    }
    const { payload } = await jwtVerify(proof, key, rules)
    if (payload.wth !== hash) throw new Error('the proof is for another identity token')
    if (Number(payload.exp) > Date.now() / 1000 + PROOF_SECONDS) throw new Error('the proof lasts too long')
    if (this.#taken.has(String(payload.jti))) throw new Error('the proof was taken before')
    this.#taken.add(String(payload.jti))
  }

  #known(hash: string): Workload | undefined {
    const workload = this.#workloads.get(hash)
    return workload !== undefined && workload.expiry > Date.now() / 1000 ? workload : undefined
  }

  async #verifyIdentity(identity: string, hash: string): Promise<Workload> {
    const rules = {
      algorithms: [this.#algorithm],
      typ: 'wit+jwt',
      issuer: ISSUER,
      requiredClaims: ['sub', 'exp', 'cnf'],
    }
    const { payload } = await jwtVerify(identity, this.#issuer, rules)
    const { jwk } = payload.cnf as { jwk: JWK }
    const workload = { key: await keyOf(jwk), algorithm: String(jwk.alg), expiry: Number(payload.exp) }
    this.#workloads.set(hash, workload)
    return workload
  }
}

/** @returns one that makes a fresh proof at each call */
function makePresenter(issuer: Signer): () => Presented {
  const workload = makeSigner(issuer.algorithm)
  const exp = Math.floor(Date.now() / 1000) + HOUR_SECONDS
  const identity = tokenOf(issuer, 'wit+jwt', { iss: ISSUER, sub: SUBJECT, exp, cnf: { jwk: workload.jwk } })
  const wth = hashOf(identity)
  return () => {
    const until = Math.floor(Date.now() / 1000) + PROOF_SECONDS
    const claims = { aud: TARGET, exp: until, jti: randomBytes(16).toString('base64url'), wth }
    return { identity, proof: tokenOf(workload, 'wpt+jwt', claims) }
  }
}

function makeSigner(algorithm: Algorithm): Signer {
  const { privateKey, publicKey } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('ed25519')
  return { algorithm, privateKey, jwk: { ...(publicKey.export({ format: 'jwk' }) as JWK), alg: algorithm } }
}

/** Signed at once: jose signs by a promise, and inputs of the bench are made without waiting. */
function tokenOf({ algorithm, privateKey }: Signer, typ: string, claims: object): string {
  const signed = [{ alg: algorithm, typ }, claims].map(part => base64url(JSON.stringify(part))).join('.')
  const digest = algorithm === 'ES256' ? 'sha256' : null
  const signature = sign(digest, Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

async function keyOf(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, jwk.alg)
  if (key instanceof Uint8Array) throw new TypeError('a key that signs is no secret of bytes')
  return key
}
