import { filesOfConsole, filesOfRealm } from '../../cli/console/files.js'
import { startConsoleListener } from '../../cli/console/listener.js'
import { Administration } from '../../client/channel/administration.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS, type PrincipalLimits } from '../../shared/administration/principals.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { SIZE } from '../../shared/constants.js'
import { derivePasswordKey } from '../../shared/crypto/derive.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { parametersWith } from '../../shared/exchange/params.js'
import { patternIn } from '../../shared/pattern.js'
import { parseRealm, principalIn } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { temporaryFolder } from '../end-to-end/processes.js'

/** A KDC with its console, in this process, by the platform's clock: a browser has no other. */
export interface ConsoleRealm {
  readonly kdc: RunningKdc
  readonly administration: Administration
  /** Of the page. */
  readonly url: string
  readonly port: number
  /** Registers somebody with a password. */
  person(name: string, password: string, limits?: Partial<PrincipalLimits>): Promise<void>
  /** Lets somebody administrate. */
  makeAdministrator(name: string): Promise<void>
  close(): Promise<void>
}

const REALM = parseRealm('demo.example')

/** @param withAudit whether the KDC keeps an audit log */
export async function startConsoleRealm({ withAudit = true } = {}): Promise<ConsoleRealm> {
  const { folder, remove } = await temporaryFolder('orthrus-console-')
  const store = createMemoryStore()
  const masterKey = new MasterKey(systemRandom(SIZE.KEY))
  const vault = new Vault(store, masterKey, systemRandom)
  await createRealm({ vault, realm: REALM, clock: systemClock, random: systemRandom })
  const audit = withAudit ? { directory: folder } : false
  const kdc = await startKdc({ store, masterKey, listen: { port: 0 }, audit })
  const administration = new Administration(kdc.administration)
  const files = filesOfRealm(await filesOfConsole(), REALM)
  const place = { host: '127.0.0.1', port: 0 }
  const served = await startConsoleListener(place, { kdc, files, hosts: [], tls: undefined })
  return {
    kdc,
    administration,
    url: served.url,
    port: Number(new URL(served.url).port),
    person: async (name, password, limits = {}) => {
      const principal = principalIn(REALM, name)
      const parameters = parametersWith(systemRandom(SIZE.SALT))
      const key = await derivePasswordKey(password, principal, parameters.salt, parameters)
      await administration.add({ principal, password: { parameters, key }, ...NO_LIMITS, ...limits })
    },
    makeAdministrator: name =>
      administration.setRule({
        client: patternIn(REALM, name),
        service: patternIn(REALM, 'kdc'),
        effect: 'allow',
        ...NO_TERMS,
        claims: [['role', 'admin']],
      }),
    close: async () => {
      await Promise.all([kdc.close(), served.close()])
      await remove()
    },
  }
}
