import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasEtcd } from '../../bench/cluster/etcd.js'
import type { Group, Report, Row } from '../../bench/figures.js'
import { hasMit } from '../../bench/mit/kdc.js'
import { hasStunnel } from '../../bench/tunnel/stunnel.js'
import { root, run } from '../end-to-end/processes.js'
import { hasRedis } from '../support/redis.js'

/**
 * That the bench runs to its end and leaves no row out. What it measures is no matter of a test. All of it takes half a
 * minute of two cores, so the quick set has the groups that a change of the hot paths breaks first.
 */

const slow = process.env.ORTHRUS_SLOW === '1'
const QUICK = ['http', 'channel']

const EXCHANGES = ['as.0', 'as.4', 'tgs.1', 'tgs.16'].flatMap(exchange =>
  ['1x1', '1x32', '64x1'].map(shape => `${exchange}.${shape}`),
)
const OWN = ['ap.known', 'ap.new', 'ap.caveats', 'ap.delegated', 'ap.create', 'ap.check']
const WIMSE = ['ES256', 'EdDSA'].flatMap(algorithm =>
  ['known', 'new'].map(way => `wimse.${algorithm}.${way}`),
)
const PEERS = ['jose.hs256', 'jose.eddsa', 'fast-jwt.hs256', 'fast-jwt.eddsa', ...WIMSE, 'macaroon']
const MIT = hasMit
  ? ['as.0', 'tgs.1'].flatMap(exchange => [1, 32].map(many => `mit.${exchange}.${many}`))
  : []
const MACHINE = process.platform === 'linux' ? ['replay.machine'] : []
const REDIS = hasRedis ? ['replay.redis.ioredis', 'replay.redis.redis'] : []
const ROWS: Readonly<Record<string, readonly string[]>> = {
  presentations: [...OWN, ...PEERS],
  http: ['http.ticketed', 'http.followed', 'http.bare'],
  'first-call': ['first.fresh', 'tls.fresh', 'first.running', 'tls.new', 'first.held', 'tls.resumed'],
  processes: ['none', 'client', 'service', 'version', 'get', 'call'].map(what => `process.${what}`),
  exchanges: [...EXCHANGES, ...MIT],
  'kdc-options': ['kdc.plain', 'kdc.audit', 'kdc.metrics', 'kdc.groups'],
  ...(hasEtcd && {
    stores: ['level.as', 'etcd.as', 'level.tgs', 'etcd.tgs'],
    acknowledgement: ['disable.level', 'disable.3', 'disable.paused'],
  }),
  followers: ['followers.20'],
  revocation: ['revocation.10'],
  start: ['start.10.closed', 'start.10.killed', 'start.1000.closed', 'start.1000.killed'],
  replay: ['replay.insert', 'replay.forget', ...MACHINE, ...REDIS],
  channel: ['channel.1024', 'channel.65536', 'sealed.65536'],
  streams: [
    'streams.records',
    ...['sealed.request', 'plain.request', 'sealed.response', 'plain.response', 'websocket', 'ws', 'tcp'].map(
      way => `streams.${way}`,
    ),
    ...['websocket', 'ws', 'tcp'].map(way => `messages.${way}`),
  ],
  tunnel: ['orthrus', 'tls', 'pipe', ...(hasStunnel ? ['stunnel', 'stunnel.full'] : [])].map(
    way => `tunnel.${way}`,
  ),
  versions: [...OWN, 'sealed.65536'].flatMap(id => [`${id}.0`, `${id}.1`]),
}

const isFigure = (figure: unknown) => typeof figure === 'number' && Number.isFinite(figure)

function isWhole(row: Row, group: Group): boolean {
  const { median } = row.figures[group.main] ?? {}
  return isFigure(median) && (row.beside === undefined || isFigure(row.ratio?.median))
}

describe('npm run bench', () => {
  it('measures every row, quickly', { timeout: slow ? 900_000 : 120_000 }, async () => {
    const bench = join(root, 'dist/bench/bench.js')
    // In place of another version there is this one again.
    const only = slow ? ['--node', process.execPath] : ['--only', QUICK.join(',')]
    const { code, out, err } = await run(process.execPath, [bench, '--quick', '--json', ...only], root)
    expect(code, err).toBe(0)
    const { groups } = JSON.parse(out) as Report
    const ids = groups.map(({ id, rows }) => [id, rows.map(row => row.id)])
    const expected = Object.entries(ROWS).filter(([id]) => slow || QUICK.includes(id))
    expect(ids).toEqual(expected)
    const broken = groups.flatMap(group => group.rows.filter(row => !isWhole(row, group)))
    expect(broken.map(row => row.id)).toEqual([])
  })

  it('says that it leaves out what needs another version of Node, where it is given none', async () => {
    const bench = join(root, 'dist/bench/bench.js')
    const { code, out, err } = await run(process.execPath, [bench, '--only', 'versions', '--json'], root)
    expect([code, (JSON.parse(out) as Report).groups]).toEqual([0, []])
    expect(err).toContain('versions is left out: other versions of Node are measured with --node PATH')
  })

  it('refuses to measure a group that it does not have', async () => {
    const bench = join(root, 'dist/bench/bench.js')
    expect(await run(process.execPath, [bench, '--only', 'nothing'], root)).toMatchObject({
      code: 2,
      out: '',
    })
  })
})
