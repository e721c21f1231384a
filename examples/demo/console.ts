import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { connectAdmin } from 'orthrus/admin'
import { addAdministrator, furnish } from './console-realm.js'
import { startTraffic } from './console-traffic.js'
import { atEnd, untilInterrupted } from './demonstration.js'
import { orthrus, startCommand } from './processes.js'

/**
 * `npm run demo:console`: a realm with live traffic behind its console. It goes on until it is interrupted, and leaves nothing.
 * The realm is of this machine alone, so its administrator's password is drawn and printed.
 */

const REALM = 'demo.example'
const NAME = 'ops'

async function build(folder: string): Promise<void> {
  await orthrus(folder, ['init', REALM, '--data', 'data'])
  // The port can be chosen, for a bookmark or a tunnel: npm run demo:console -- 8760
  const place = `127.0.0.1:${process.argv[2] ?? 0}`
  const kdc = await startCommand<{ url: string; console: string }>(folder, [
    ...['kdc', '--data', 'data', '--listen', '127.0.0.1:0', '--console', place],
  ])
  atEnd(kdc.stop)
  const { url, console: page } = kdc.told
  const keytab = join(folder, 'data', 'admin.keytab')
  const login = ['--kdc', url, '--keytab', keytab]
  const administration = await connectAdmin({ kdc: url, keytab })
  atEnd(() => administration.close())
  await furnish(administration, (...args) => orthrus(folder, ['admin', ...args, ...login]))
  const password = randomBytes(9).toString('base64url')
  await addAdministrator(NAME, password, folder, login)
  const traffic = await startTraffic(url, folder, `${NAME}@${REALM}`)
  atEnd(traffic.stop)
  console.log(`The console of ${REALM} is at ${page}`)
  console.log(`  name      ${NAME}`)
  console.log(`  password  ${password}`)
  console.log(`The same realm on the command line: orthrus admin list ${login.join(' ')}`)
  console.log('Programs ask for tickets all the time; Ctrl-C ends it all and removes the realm.')
}

await untilInterrupted(build)
