import {
  decodeAddedPrincipal,
  encodeNewPrincipal,
  NO_LIMITS,
} from '../../shared/administration/principals.js'
import { encodePolicyRule } from '../../shared/administration/rules.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { MINUTE, SECOND } from '../../shared/time.js'
import { Chance } from '../support/chance.js'
import { type Answer, ask, type Identity, local, login, outcome, ruleOf } from '../support/realm.js'
import { type TestCluster, type TestKdc, testCluster } from '../support/replicas.js'
import { happen } from './happenings.js'

/**
 * Several KDCs share a store, which is cut off from them, slow and silent at random, while they are stopped, killed and
 * put out. Administrators take things away at one of them, and clients ask all of them. What was acknowledged is granted
 * by none.
 */

/** What a client has, and since when it is acknowledged that it has it no more, by the clock, milliseconds. */
export interface Client {
  readonly identity: Identity
  disabledAt: number | undefined
  isDisabled: boolean
  deniedAt: number | undefined
  isDenied: boolean
  tgts: { readonly grant: Grant; revokedAt: number | undefined }[]
  /** Whether an administrator is changing it. */
  isBusy: boolean
}

export interface World {
  readonly seed: number
  readonly chance: Chance
  readonly cluster: TestCluster
  /** Those that run, or are only stopped. */
  kdcs: TestKdc[]
  /** Which something befell last. */
  looked: TestKdc
  readonly clients: readonly Client[]
  readonly counts: Map<string, number>
  count(what: string): void
}

const SERVICE = 'orders'
const CLIENTS = 3
const KDCS = 3

/** @throws Error that begins with `granted:` or `after all:` for a violation */
export async function simulateReplicas(seed: number, steps: number): Promise<ReadonlyMap<string, number>> {
  const world = await begin(seed)
  const { chance, cluster } = world
  for (let step = 0; step < steps; step++) {
    await cluster.clock.go(chance.below(120), cluster.etcd)
    const kind = chance.below(20)
    if (kind < 13) void request(world)
    else if (kind < 16) administrate(world)
    else {
      world.looked = await happen(world)
      // What matters most is what is changed while something has just gone wrong.
      if (chance.oneIn(2)) for (let i = 0; i < CLIENTS; i++) administrate(world)
    }
    requireKept(world)
  }
  await recover(world)
  return world.counts
}

async function begin(seed: number): Promise<World> {
  const chance = new Chance(seed)
  const cluster = await testCluster(KDCS, length => chance.bytes(length))
  const counts = new Map<string, number>()
  const [first] = cluster.kdcs
  if (first === undefined) throw new Error('no KDC')
  const clients: Client[] = []
  const add = async (name: string): Promise<Identity> => {
    const principal = local(name)
    const fresh = encodeNewPrincipal({ principal, password: null, ...NO_LIMITS })
    const { kvno, key } = decodeAddedPrincipal(await first.call('add', fresh))
    if (key === null) throw new Error('no key')
    return { principal, kvno, key }
  }
  await cluster.during(add(SERVICE))
  for (let i = 0; i < CLIENTS; i++) {
    const identity = await cluster.during(add(`web${i}`))
    clients.push({
      identity,
      disabledAt: undefined,
      isDisabled: false,
      deniedAt: undefined,
      isDenied: false,
      tgts: [],
      isBusy: false,
    })
    await cluster.during(first.call('allow', [...encodePolicyRule(ruleOf(`web${i}`, SERVICE))]))
  }
  const count = (what: string): void => {
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  violations.length = 0
  return { seed, chance, cluster, kdcs: [...cluster.kdcs], looked: first, clients, counts, count }
}

const violations: string[] = []

function requireKept({ seed }: World): void {
  if (violations.length > 0) throw new Error(`${violations.join('; ')} (seed ${seed})`)
}

async function request(world: World): Promise<void> {
  const { chance, kdcs } = world
  const kdc = chance.oneIn(2) && kdcs.includes(world.looked) ? world.looked : chance.pick(kdcs)
  const client = chance.pick(world.clients)
  const tgt = chance.oneIn(2) && client.tgts.length > 0 ? chance.pick(client.tgts) : undefined
  const answer = await asked(world, kdc, client, tgt?.grant)
  world.count(`${tgt === undefined ? 'AS' : 'TGS'}: ${outcome(answer)}`)
  if (answer.reply === undefined) return
  const { grants } = answer.reply
  const to = `${client.identity.principal} by ${kdc.replica.id}`
  note(world, client.disabledAt, `a ticket to ${to}`, 'it was disabled')
  note(world, tgt?.revokedAt, `a ticket under a TGT to ${to}`, 'the TGT was revoked')
  if (grants.some(({ service }) => service === local(SERVICE)))
    note(world, client.deniedAt, `a ticket for ${SERVICE} to ${to}`, 'it was denied')
  const [grant] = grants
  if (tgt === undefined && grant !== undefined)
    client.tgts = [...client.tgts.slice(-3), { grant, revokedAt: undefined }]
}

function asked({ cluster: { clock } }: World, kdc: TestKdc, client: Client, tgt?: Grant): Promise<Answer> {
  const { dispatch } = kdc
  const way = { dispatch, clock } as unknown as Parameters<typeof login>[0]
  return new Promise((resolve, reject) => {
    kdc.client.run(() => {
      const services = [local(SERVICE)]
      const answer =
        tgt === undefined ? login(way, client.identity, { services }) : ask(way, tgt, { services })
      answer.then(resolve, reject)
    })
  })
}

/** @param since when it was acknowledged. What is sealed in that very millisecond may have been sealed before. */
function note({ cluster: { clock } }: World, since: number | undefined, what: string, why: string): void {
  if (since === undefined || clock.monotonic() <= since) return
  violations.push(`granted: ${what}, ${clock.monotonic() - since} ms after it was acknowledged that ${why}`)
}

/** One administrator changes one thing of a client at a time, so that what comes later is known. */
function administrate(world: World): void {
  const { chance } = world
  const client = chance.pick(world.clients)
  if (client.isBusy) return
  client.isBusy = true
  const done = (): void => {
    client.isBusy = false
  }
  const act = chance.pick([changeStanding, changeRule, revokeTgt])
  act(world, client).then(done, () => {
    world.count('administration: failed')
    done()
  })
}

async function changeStanding(world: World, client: Client): Promise<void> {
  const { principal } = client.identity
  const { clock } = world.cluster
  client.isDisabled = !client.isDisabled
  if (!client.isDisabled) client.disabledAt = undefined
  await called(world, client.isDisabled ? 'disable' : 'enable', [principal])
  if (!client.isDisabled) return
  client.disabledAt = clock.monotonic()
}

async function changeRule(world: World, client: Client): Promise<void> {
  const { clock } = world.cluster
  client.isDenied = !client.isDenied
  if (!client.isDenied) client.deniedAt = undefined
  const effect = client.isDenied ? 'deny' : 'allow'
  const [name = ''] = client.identity.principal.split('@')
  await called(world, effect, [...encodePolicyRule(ruleOf(name, SERVICE, { effect }))])
  if (client.isDenied) client.deniedAt = clock.monotonic()
}

async function revokeTgt(world: World, client: Client): Promise<void> {
  const [tgt] = client.tgts
  if (tgt === undefined) return
  await called(world, 'revoke-ticket', [tgt.grant.ticketId, null])
  tgt.revokedAt = world.cluster.clock.monotonic()
}

function called(
  world: World,
  method: Parameters<TestKdc['call']>[0],
  args: Parameters<TestKdc['call']>[1],
): Promise<void> {
  const kdc = world.chance.pick(world.kdcs)
  const { clock } = world.cluster
  const since = clock.monotonic()
  return new Promise((resolve, reject) => {
    kdc.client.run(() => {
      const answered = (): void => {
        const took = clock.monotonic() - since
        world.count(`administration: ${took < 50 ? 'at once' : took < 2_500 ? 'within 2.5 s' : 'later'}`)
        resolve()
      }
      kdc.call(method, args).then(answered, reject)
    })
  })
}

/** Once all is well, each KDC grants what it should, and nothing else. */
async function recover(world: World): Promise<void> {
  const { cluster, kdcs, clients } = world
  for (const { client } of kdcs) {
    client.isCut = client.isDeaf = client.keepsLease = false
    client.delay = client.watchDelay = () => 1
    client.goOn()
  }
  await cluster.clock.go(10 * SECOND, cluster.etcd)
  requireKept(world)
  for (const client of clients) {
    for (const kdc of kdcs) {
      if (!kdc.replica.isCurrent())
        throw new Error(`after all: ${kdc.replica.id} is not current (seed ${world.seed})`)
      const record = await cluster.during(
        Promise.resolve(kdc.realm.directory.principal(client.identity.principal)),
      )
      const came = outcome(await cluster.during(asked(world, kdc, client)))
      if (came !== (record?.disabled ? '06 principal_disabled' : 'reply'))
        throw new Error(`after all: a login came to ${came} (seed ${world.seed})`)
      if (client.disabledAt !== undefined && record?.disabled !== true)
        throw new Error(`after all: a change was lost (seed ${world.seed})`)
    }
  }
  if (cluster.clock.monotonic() < MINUTE / 60) throw new Error('no time passed')
}
