import { describe, expect, it } from 'vitest'
import { MapModel } from '../../../console/map/map-model.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { KeptLog } from '../harness/log.js'
import { harnessSession, summary } from '../harness/session.js'

const START = Date.parse('2026-05-01T10:00:00Z')

/** A model on a clock that is moved by hand. */
function startModel(log = new KeptLog()) {
  let passed = 0
  const now = () => START + passed
  const principals = ['web', 'orders', 'db'].map(name => summary(name))
  const session = harnessSession({
    log,
    now,
    principals: [...principals, summary('ana', { passwordBased: true })],
  })
  const model = new MapModel({ session, monotonic: () => passed })
  const draw = (milliseconds = 3 * SECOND) => {
    passed += milliseconds
    model.frame()
    return model.picture.value
  }
  const asks = (client: string, service: string, denied?: string) =>
    log.write(now(), {
      kind: 'ticket',
      outcome: denied === undefined ? 'granted' : 'denied',
      client: `${client}@demo.example`,
      service: `${service}@demo.example`,
      from: '10.0.0.7',
      ...(denied === undefined ? {} : { code: 'policy_denied', reason: denied, id: '3f0011223344' }),
    })
  return { model, draw, asks, log, session }
}

describe('the model of the map', () => {
  it('draws what was asked before and what is asked now, each once', async () => {
    const log = new KeptLog()
    const before = startModel(log)
    before.asks('web', 'orders')
    before.asks('web', 'db', 'no rule allows it')
    const { model, draw, asks } = startModel(log)
    asks('web', 'orders')
    await model.begin()
    asks('ana', 'orders')
    const { pairs, lines, clustering } = draw()
    expect(pairs.map(({ client, service }) => `${client} ${service}`)).toEqual([
      'web@demo.example orders@demo.example',
      'web@demo.example db@demo.example',
      'ana@demo.example orders@demo.example',
    ])
    expect(Math.round(pairs[0]?.granted ?? 0)).toBe(2)
    // Its reason is read from the log too.
    expect(pairs[1]).toMatchObject({ denial: { reason: 'no rule allows it' } })
    expect(lines).toHaveLength(3)
    expect(clustering.nodes).toHaveLength(4)
    expect(model.directory.kindOf('ana@demo.example', false)).toBe('person')
    expect(model.directory.kindOf('ordes@demo.example', true)).toBe('unknown')
  })

  it('marks a pair that the log did not have', async () => {
    const log = new KeptLog()
    const of = { client: 'web@demo.example', service: 'orders@demo.example' }
    log.write(START - 2 * HOUR, { kind: 'ticket', outcome: 'granted', ...of })
    const { model, draw, asks } = startModel(log)
    await model.begin()
    asks('web', 'orders')
    asks('web', 'db')
    const { pairs, at } = draw()
    expect(pairs.map(pair => model.firstSeens.newness(pair, at) !== undefined)).toEqual([false, true])
    expect(model.firstSeens.since).toBeNull()
  })

  it('draws no more often than people can see, and nothing while it is paused', async () => {
    const { model, draw, asks } = startModel()
    await model.begin()
    const first = draw()
    expect(draw(10)).toBe(first)
    expect(draw(300)).not.toBe(first)
    model.pause(true)
    const paused = model.picture.value
    asks('web', 'orders')
    expect(draw()).toBe(paused)
    model.pause(false)
    expect(draw().pairs).toHaveLength(1)
  })

  it('forgets what another window has not', async () => {
    const { model, draw, asks } = startModel()
    asks('web', 'orders')
    await model.begin()
    expect(draw(10 * MINUTE).pairs).toHaveLength(1)
    await model.choose(5 * MINUTE)
    expect(draw().pairs).toHaveLength(0)
    await model.choose(HOUR)
    expect(draw().pairs).toHaveLength(1)
  })

  it('puts nobody on the map who proved no key', async () => {
    const { model, draw, log } = startModel()
    await model.begin()
    const refused = { kind: 'request', outcome: 'refused', code: 'auth_failed', from: '10.0.0.9' } as const
    log.write(START, { ...refused, details: { principal: 'admin@demo.example' } })
    const { clustering, refusals } = draw()
    expect(clustering.nodes).toEqual([])
    expect(refusals).toHaveLength(1)
  })

  it('says why the past cannot be read', async () => {
    const { session } = startModel()
    const { OrthrusError } = await import('../../../shared/errors.js')
    const audit = {
      uses: () => Promise.reject(new OrthrusError('unavailable', 'this KDC keeps no audit log')),
      lines: session.administration.audit.lines,
    }
    const model = new MapModel({
      session: { ...session, administration: { ...session.administration, audit } as never },
      monotonic: () => 0,
    })
    await model.begin()
    expect(model.past.value).toEqual({ failure: 'This KDC keeps no audit log.' })
  })
})
