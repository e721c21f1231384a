import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startProgram } from '../programs.js'
import { ENCTYPE } from './encryption.js'
import { MIT } from './messages.js'

/** MIT's KDC with a database of its own in a temporary folder. It reads nothing of the machine's settings. */

const PROGRAM = {
  kdc: '/usr/sbin/krb5kdc',
  database: '/usr/sbin/kdb5_util',
  administration: '/usr/sbin/kadmin.local',
}

/** Debian has them in the packages krb5-kdc and krb5-admin-server. */
export const hasMit = process.platform === 'linux' && Object.values(PROGRAM).every(path => existsSync(path))

export interface MitKdc {
  readonly port: number
  /** Microseconds of CPU that it has used so far. */
  cpu(): number
  stop(): Promise<void>
}

export async function startMitKdc(): Promise<MitKdc> {
  const folder = mkdtempSync(join(tmpdir(), 'orthrus-bench-mit-'))
  const port = await freePort()
  const env = writeSettings(folder, port)
  const make = (program: string, ...args: string[]) => execFileSync(program, args, { env, stdio: 'pipe' })
  make(PROGRAM.database, 'create', '-s', '-r', MIT.realm, '-P', 'master of the bench')
  make(PROGRAM.administration, 'addprinc', '-pw', MIT.password, '+requires_preauth', MIT.client)
  make(PROGRAM.administration, 'addprinc', '-randkey', MIT.service)
  const { pid, stop } = await startProgram([PROGRAM.kdc, '-n'], env)
  return {
    port,
    // It has one thread.
    cpu: () => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000,
    stop: async () => {
      await stop()
      rmSync(folder, { recursive: true })
    },
  }
}

/** Without the times of the last login in the database, which would cost MIT's KDC a write for each AS exchange. */
function writeSettings(folder: string, port: number): NodeJS.ProcessEnv {
  const [client, kdc] = [join(folder, 'krb5.conf'), join(folder, 'kdc.conf')]
  writeFileSync(client, `[libdefaults]\ndefault_realm = ${MIT.realm}\ndns_lookup_kdc = false\n`)
  writeFileSync(
    kdc,
    `[realms]
${MIT.realm} = {
  kdc_listen = 127.0.0.1:${port}
  kdc_tcp_listen = ""
  database_name = ${join(folder, 'principal')}
  key_stash_file = ${join(folder, 'stash')}
  acl_file = ${join(folder, 'acl')}
  master_key_type = ${ENCTYPE.name}
  supported_enctypes = ${ENCTYPE.name}:normal
  database_module = db
}
[dbmodules]
db = {
  db_library = db2
  database_name = ${join(folder, 'principal')}
  disable_last_success = true
  disable_lockout = true
}
[logging]
kdc = FILE:${join(folder, 'kdc.log')}
admin_server = FILE:${join(folder, 'admin.log')}
default = FILE:${join(folder, 'default.log')}
`,
  )
  return { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', KRB5_CONFIG: client, KRB5_KDC_PROFILE: kdc }
}
