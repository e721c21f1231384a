import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startMetricsListener } from '../../cli/metrics/listener.js'
import { metricsWriter } from '../../cli/metrics/registry.js'
import { startKdc } from '../../kdc/main.js'
import { loadService } from '../../service/index.js'
import { silentLogger } from '../../shared/logger.js'
import { principalIn } from '../../shared/principal.js'
import { administer, connectAs, type FaultRealm, makeRealm, REALM } from '../support/folder-realm.js'

/** The dashboard and the alerts ask for what a real KDC shows: every metric, and every value of a label that is named. */

const folder = fileURLToPath(new URL('../../examples/grafana/', import.meta.url))
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const PROMTOOL = process.env.ORTHRUS_PROMTOOL ?? 'promtool'
const hasPromtool = spawnSync(PROMTOOL, ['--version']).status === 0
if (!hasPromtool)
  console.warn('promtool is not installed: nothing else reads the metrics and tries the alerts')

/** What promtool tries the alerts with. */
const TRIED = ['alerts.test.yml', 'alerts-of-days.test.yml']

/** Made by Prometheus itself. */
const OF_PROMETHEUS = ['up']

let text = ''
let realm: FaultRealm | undefined

/** A KDC with a service that follows, a client that logs in, is refused and guesses, and an administrator. */
beforeAll(async () => {
  realm = await makeRealm(['web', 'orders'], [['web', 'orders']])
  const kdc = await startKdc({ dataDirectory: realm.data, listen: { port: 0 }, metrics: true })
  const options = { kdc, write: metricsWriter('1'), logger: silentLogger }
  const listener = await startMetricsListener({ host: '127.0.0.1', port: 0 }, options)
  const service = await loadService({
    keytab: { text: realm.keytab('orders') },
    kdc: kdc.url,
    startWithoutFeed: true,
  })
  const web = await connectAs(realm, kdc.url, 'web')
  await web.getServiceTicket('orders')
  await web.getServiceTicket('nobody').catch(() => {})
  const admin = await administer(realm, kdc.url)
  await admin.administration.disable(principalIn(REALM, 'web'))
  await vi.waitFor(async () => expect((await kdc.metrics()).followers.connected).toBe(1), {
    interval: 5,
    timeout: 20_000,
  })
  text = await (await fetch(`${listener.url}/metrics`)).text()
  admin.close()
  web.close()
  await service.close()
  await listener.close()
  await kdc.close()
})
afterAll(() => realm?.remove())

interface Series {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
}

function labelsOf(written: string): Map<string, string> {
  return new Map([...written.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]))
}

function shown(): Series[] {
  const lines = text.matchAll(/^([a-z_]\w*)(?:{(.*)})? \S+$/gm)
  return [...lines].map(([, name = '', labels = '']) => ({ name, labels: labelsOf(labels) }))
}

/** What Prometheus adds to every series, and a variable of the dashboard. */
const ADDED = ['job', 'instance']

interface Wanted {
  readonly name: string
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[]
}

/** The metrics in expressions, with what is asked of their labels. */
function wantedIn(expressions: string): Wanted[] {
  const found = expressions.matchAll(/\b((?:orthrus|process|nodejs)_\w+|up)\b(?:\s*{([^}]*)})?/g)
  return [...found].map(([, name = '', selector = '']) => ({
    name,
    matchers: [...selector.matchAll(/(\w+)(=~|!=|=)"([^"]*)"/g)]
      .map(([, label = '', operator = '', value = '']) => ({ label, operator, value }))
      .filter(({ label }) => !ADDED.includes(label)),
  }))
}

function matches({ labels }: Series, { matchers }: Wanted): boolean {
  return matchers.every(({ label, operator, value }) => {
    const actual = labels.get(label)
    if (actual === undefined) return false
    if (operator === '=~') return new RegExp(`^(?:${value})$`).test(actual)
    return operator === '=' ? actual === value : actual !== value
  })
}

function expressionsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(expressionsOf)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    (key === 'expr' || key === 'query') && typeof inner === 'string' ? [inner] : expressionsOf(inner),
  )
}

function missing(expressions: string): string[] {
  const series = shown()
  return wantedIn(expressions)
    .filter(({ name }) => !OF_PROMETHEUS.includes(name))
    .filter(wanted => !series.some(one => one.name === wanted.name && matches(one, wanted)))
    .map(({ name, matchers }) => `${name} ${JSON.stringify(matchers)}`)
}

describe('the dashboard', () => {
  it('asks for what a KDC under load shows', () => {
    const expressions = expressionsOf(JSON.parse(read('dashboard.json')))
    expect(expressions.length).toBeGreaterThan(30)
    expect(missing(expressions.join('\n'))).toEqual([])
  })

  it('is of panels that do not overlap, each with a name and words of its own', () => {
    const { panels } = JSON.parse(read('dashboard.json')) as {
      panels: {
        title: string
        description: string
        gridPos: { x: number; y: number; w: number; h: number }
      }[]
    }
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    expect(panels.filter(({ title, description }) => title === '' || description === '')).toEqual([])
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
  })
})

describe('the alerts', () => {
  const alerts = (): string[] =>
    [...read('alerts.yml').matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name)

  it('ask for what a KDC under load shows', () => {
    const rules = read('alerts.yml').replaceAll(/^\s*#.*$/gm, '')
    expect(wantedIn(rules).length).toBeGreaterThan(15)
    expect(missing(rules)).toEqual([])
  })

  it('would miss a metric or a label that there is not', () => {
    expect(missing('rate(orthrus_kdc_exchangs_total[5m]) + orthrus_kdc_keys_due{kind="robot"}')).toHaveLength(
      2,
    )
  })

  it('are each told in the handbook, with whether they wake somebody', () => {
    const handbook = readFileSync(join(folder, '../../docs/operations.md'), 'utf8')
    const told = [...handbook.matchAll(/^\| `(OrthrusKdc\w+)` \| (yes|no) \|/gm)]
    const severities = [...read('alerts.yml').matchAll(/- alert: (\w+)\n.*?severity: (\w+)/gs)]
    expect(told.map(([, name, wakes]) => [name, wakes]).sort()).toEqual(
      severities.map(([, name, severity]) => [name, severity === 'page' ? 'yes' : 'no']).sort(),
    )
    expect(alerts().length).toBe(severities.length)
  })

  it('are each tried where they fire, and where they just do not', () => {
    const tried = TRIED.map(read).join('\n')
    const names = (entries: RegExp): string[] =>
      [...new Set([...tried.matchAll(entries)].map(([, name = '']) => name))].sort()
    const all = alerts().sort()
    expect(all.length).toBeGreaterThan(15)
    expect(names(/alertname: (\w+)\n\s+exp_alerts:\n\s+- exp_labels:/g)).toEqual(all)
    expect(names(/- { eval_time: \w+, alertname: (\w+) }/g)).toEqual(all)
  })

  it('and the handbook tells every metric', () => {
    const handbook = readFileSync(join(folder, '../../docs/operations.md'), 'utf8')
    const names = new Set([...text.matchAll(/^# TYPE orthrus_kdc_(\w+)/gm)].map(([, name = '']) => name))
    expect(names.size).toBeGreaterThan(40)
    expect([...names].filter(name => !new RegExp(`\`[^\`]*\\b${name}\\b`).test(handbook))).toEqual([])
  })
})

describe.skipIf(!hasPromtool)('promtool, which is not installed everywhere,', () => {
  const promtool = (args: readonly string[], input = ''): string => {
    const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { cwd: folder, input, encoding: 'utf8' })
    return `${status} ${stderr}${status === 0 ? '' : stdout}`
  }

  it('finds nothing to say of the metrics of Orthrus', () => {
    const own = text.split('\n').filter(line => /^(?:# \w+ )?orthrus_/.test(line))
    expect(promtool(['check', 'metrics'], `${own.join('\n')}\n`)).toBe('0 ')
  })

  it('can read all of the text', () => {
    expect(promtool(['check', 'metrics'], text)).not.toContain('error while linting')
  })

  it.each([
    [['check', 'rules', 'alerts.yml']],
    [['check', 'config', 'prometheus.yml']],
    [['test', 'rules', ...TRIED]],
  ])('passes %j', args => {
    expect(promtool(args)).toMatch(/^0 /)
  })
})
