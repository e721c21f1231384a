import { createRealm } from '../kdc/create-realm.js'
import { policyName } from '../kdc/directory.js'
import { createDispatch, type Dispatch } from '../kdc/dispatch.js'
import { newPrincipal } from '../kdc/principal.js'
import { NO_RATE_LIMITS } from '../kdc/rate-limits.js'
import { openRealm } from '../kdc/realm.js'
import { MasterKey } from '../kdc/store/master-key.js'
import { createMemoryStore } from '../kdc/store/memory.js'
import { encodePolicyRecord, encodePrincipalRecord } from '../kdc/store/records.js'
import { Vault } from '../kdc/store/vault.js'
import { LongTermKey } from '../shared/crypto/keys.js'
import { systemRandom } from '../shared/crypto/random.js'
import { silentLogger } from '../shared/logger.js'
import type { Pattern } from '../shared/pattern.js'
import { type Principal, parsePrincipal } from '../shared/principal.js'
import { createAsRequest, openAsReply } from '../shared/protocol/as.js'
import type { Grant } from '../shared/protocol/grant.js'
import { systemClock } from '../shared/time.js'

/** A realm in memory with one client and some services: what the bench works on. */

export interface Scene {
  readonly dispatch: Dispatch
  readonly client: Principal
  readonly clientKey: LongTermKey
  readonly services: readonly Principal[]
  readonly serviceKeys: readonly LongTermKey[]
  /** A TGT and a ticket for each service, as `grants[0]` and the rest. */
  readonly grants: readonly Grant[]
}

const SERVICES = 16

function draw(): LongTermKey {
  return new LongTermKey(systemRandom(32))
}

export async function buildScene(): Promise<Scene> {
  const vault = new Vault(createMemoryStore(), new MasterKey(systemRandom(32)), systemRandom)
  await createRealm({ vault, realm: 'bench.example', clock: systemClock, random: systemRandom })
  const client = parsePrincipal('web@bench.example')
  const services = Array.from({ length: SERVICES }, (_, i) => parsePrincipal(`service/${i}@bench.example`))
  const [clientKey, serviceKeys] = [draw(), services.map(draw)]
  await addPrincipal(vault, client, clientKey)
  for (const [i, service] of services.entries())
    await addPrincipal(vault, service, serviceKeys[i] as LongTermKey)
  await allowInstances(vault, client)
  const realm = await openRealm({ vault, clock: systemClock, random: systemRandom })
  const dispatch = createDispatch({
    realm,
    rates: NO_RATE_LIMITS,
    random: systemRandom,
    logger: silentLogger,
  })
  const request = createAsRequest(clientKey, asQuestion(client, services))
  const { grants } = openAsReply(clientKey, request, await dispatch(request.bytes, 'bench'))
  return { dispatch, client, clientKey, services, serviceKeys, grants }
}

export function asQuestion(client: Principal, services: readonly Principal[]) {
  const [time, nonce] = [Date.now(), systemRandom(16)]
  return { client, kvno: 1, time, nonce, services, lifetime: 0, renewable: false }
}

async function addPrincipal(vault: Vault, name: Principal, key: LongTermKey): Promise<void> {
  const record = newPrincipal({ name, key, now: Date.now(), random: systemRandom })
  await vault.commit([{ kind: 'principal', name, expected: 0, fields: encodePrincipalRecord(record) }])
}

async function allowInstances(vault: Vault, client: Principal): Promise<void> {
  const [from, to] = [client as string as Pattern, 'service/*@bench.example' as Pattern]
  const rule = { client: from, service: to, effect: 'allow' as const, claims: [['role', 'reader']] as const }
  const limits = { maxLife: null, methods: null, paths: null, delegable: true, changedAt: Date.now() }
  const fields = encodePolicyRecord({ ...rule, ...limits })
  await vault.commit([{ kind: 'policy', name: policyName(from, to), expected: 0, fields }])
}
