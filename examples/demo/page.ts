import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createSite, type Places } from '../page/site.js'
import { atEnd, untilInterrupted } from './demonstration.js'
import { orthrus, startCommand } from './processes.js'

/**
 * `npm run demo:page`: the page of examples/page, with a KDC and a service on origins of their own. It goes on until it is
 * interrupted, and leaves nothing. The realm is of this machine alone, so the person's password is drawn and printed.
 */

const REALM = 'demo.example'
const SITE = fileURLToPath(new URL('../page/web', import.meta.url))
const SERVICE = fileURLToPath(new URL('../page/service.js', import.meta.url))

async function build(folder: string): Promise<void> {
  const places = { kdc: '', realm: REALM, orders: '' }
  const page = await startSite(places)
  await orthrus(folder, ['init', REALM, '--data', 'data'])
  const kdc = await startCommand<{ url: string }>(folder, [
    ...['kdc', '--data', 'data', '--listen', '127.0.0.1:0', '--allow-origin', page],
  ])
  atEnd(kdc.stop)
  places.kdc = kdc.told.url
  const admin = (args: string[], input = ''): Promise<string> =>
    orthrus(folder, ['admin', ...args, '--kdc', places.kdc, '--keytab', join('data', 'admin.keytab')], input)
  const password = randomBytes(9).toString('base64url')
  await admin(['add', 'orders'])
  await admin(['add', 'ann', '--password'], `${password}\n`)
  await admin(['allow', 'ann', 'orders', '--claim', 'role=buyer'])
  console.log('The service gets ready, which takes seven seconds at its first start.')
  places.orders = await startService(folder, places.kdc, page)
  console.log(`The page is at ${page}`)
  console.log('  name      ann')
  console.log(`  password  ${password}`)
  console.log(`Its service is at ${places.orders}, the KDC at ${places.kdc}: two other origins.`)
  console.log('Open it twice to see orders arrive; Ctrl-C ends it all and removes the realm.')
}

/** @returns its origin. The port can be chosen, for a bookmark or a tunnel: npm run demo:page -- 8770 */
async function startSite(places: Places): Promise<string> {
  const site = await createSite(SITE, () => places)
  site.listen(Number(process.argv[2] ?? 0), '127.0.0.1')
  await once(site, 'listening')
  atEnd(() => {
    site.close()
    site.closeAllConnections()
  })
  return `http://localhost:${(site.address() as AddressInfo).port}`
}

/** @returns where it listens */
async function startService(folder: string, kdc: string, page: string): Promise<string> {
  const own = { ORTHRUS_KDC: kdc, ORTHRUS_KEYTAB: 'orders.keytab', PAGE: page, LISTEN: '127.0.0.1:0' }
  const child = spawn(process.execPath, [SERVICE], {
    cwd: folder,
    env: { ...process.env, ...own },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  atEnd(async () => {
    child.kill()
    await ended
  })
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
  const [url] = /http:\S+/.exec(String(line)) ?? []
  if (url === undefined) throw new Error('the service did not start')
  return url
}

await untilInterrupted(build)
