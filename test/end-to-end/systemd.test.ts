import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { endAtLast, root, run, temporaryFolder } from './processes.js'

/**
 * The units of examples/systemd under a systemd of their own: the first process of a container whose files are those of
 * this machine, and which changes none of them. Needs root, Linux, and systemd-nspawn (Debian's systemd-container).
 */

const slow = process.env.ORTHRUS_SLOW === '1'
const canBoot =
  slow &&
  process.getuid?.() === 0 &&
  ['systemd-nspawn', 'nsenter', 'python3'].every(name => spawnSync(name, ['--version']).status === 0)
if (slow && !canBoot) console.warn('the units are not run here: that needs root and systemd-nspawn')

const PATIENCE = { timeout: 60_000, interval: 100 }

let folder = ''
let remove = async (): Promise<void> => {}
let container: ChildProcess | undefined
let inside = 0
const at = (path: string): string => join(folder, 'root', path)

/** What the package needs, as `npm install --global` would put it there. */
function dependencies(names: readonly string[], seen = new Set<string>()): Set<string> {
  for (const name of names) {
    if (seen.has(name)) continue
    seen.add(name)
    const manifest = readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')
    dependencies(Object.keys((JSON.parse(manifest) as { dependencies?: object }).dependencies ?? {}), seen)
  }
  return seen
}

function install(): void {
  const to = at('usr/lib/node_modules/orthrus')
  mkdirSync(join(to, 'node_modules'), { recursive: true })
  for (const name of ['dist', 'docs', 'package.json', 'examples'])
    cpSync(join(root, name), join(to, name), { recursive: true })
  const { dependencies: own } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: object
  }
  for (const name of dependencies(Object.keys(own)))
    cpSync(join(root, 'node_modules', name), join(to, 'node_modules', name), {
      recursive: true,
      dereference: true,
    })
  rmSync(at('usr/bin/orthrus'), { force: true })
  symlinkSync('../lib/node_modules/orthrus/dist/cli/orthrus.js', at('usr/bin/orthrus'))
  execFileSync('chmod', ['755', join(to, 'dist/cli/orthrus.js')])
  rmSync(at('usr/bin/node'), { force: true })
  cpSync(process.execPath, at('usr/bin/node'), { dereference: true })
}

/** Runs a script in the container. @returns what it wrote */
async function script(text: string): Promise<string> {
  const spaces = ['-m', '-u', '-i', '-n', '-p', '-C']
  const { out, err } = await run('nsenter', ['-t', String(inside), ...spaces, 'sh', '-c', text], '/')
  return `${out}${err}`
}

beforeAll(async () => {
  if (!canBoot) return
  ;({ folder, remove } = await temporaryFolder())
  for (const name of ['up', 'work', 'root']) mkdirSync(join(folder, name))
  const layers = `lowerdir=/,upperdir=${join(folder, 'up')},workdir=${join(folder, 'work')}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, at('')])
  rmSync(at('etc/machine-id'), { force: true })
  writeFileSync(at('etc/machine-id'), `${randomBytes(16).toString('hex')}\n`)
  install()
  const boot = ['--boot', '--register=no', '--keep-unit', '--private-network', '--console=pipe', '--quiet']
  const args = [...boot, '-D', at(''), '--machine=orthrus-test', 'systemd.unit=basic.target']
  container = endAtLast(spawn('systemd-nspawn', args, { stdio: 'ignore' }))
  const { pid } = container
  const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  await vi.waitFor(() => expect(children()).toMatch(/^\d+$/), PATIENCE)
  inside = Number(children())
  const state = () => script('systemctl is-system-running')
  await vi.waitFor(async () => expect(await state()).toMatch(/running|degraded/), PATIENCE)
}, 300_000)

afterAll(async () => {
  if (container !== undefined) {
    const over = new Promise(resolve => container?.once('exit', resolve))
    container.kill('SIGKILL')
    await over
  }
  if (folder !== '') spawnSync('umount', ['--lazy', at('')])
  await remove()
}, 60_000)

const EXAMPLES = '/usr/lib/node_modules/orthrus/examples/systemd'
const SHOW = 'systemctl show -p ActiveState -p NRestarts orthrus-kdc'
const LIST = 'ORTHRUS_KDC=ws://127.0.0.1:8750 orthrus admin list --keytab /root/admin.keytab'

/** The commands at the head of the unit, which an operator types. */
function headOf(unit: string): string {
  const lines = readFileSync(join(root, 'examples/systemd', unit), 'utf8').split('\n')
  return lines.flatMap(line => /^# {3}(\S.*)$/.exec(line)?.[1] ?? []).join('\n')
}

/** What each of these comes to from inside of the unit. */
const PROBE = `
import os, socket, ctypes, errno, json
libc = ctypes.CDLL(None, use_errno=True)
out = {}
def attempt(name, act):
    try: out[name] = act() or 'done'
    except OSError as e: out[name] = errno.errorcode.get(e.errno, str(e))
def call(name, *args):
    def act():
        if getattr(libc, name)(*args) < 0: raise OSError(ctypes.get_errno(), name)
    return act
def write(path):
    def act():
        open(path, 'w').close()
        os.unlink(path)
    return act
for path in ['/etc/orthrus/x', '/usr/x', '/var/lib/x', '/opt/x', '/dev/x', '/sys/x', '/root/x', '/home/x', '/run/x']: attempt('write ' + path, write(path))
attempt('write data', write('/var/lib/orthrus/x'))
attempt('read key', lambda: open('/etc/orthrus/master.key').read() and 'read')
attempt('read credential', lambda: str(len(open(os.environ['CREDENTIALS_DIRECTORY'] + '/orthrus-master-key').read()) > 40))
attempt('processes', lambda: str(len([p for p in os.listdir('/proc') if p.isdigit()])))
attempt('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) and 'open')
attempt('netlink', lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) and 'open')
attempt('unshare', call('unshare', 0x10000000))
attempt('mount', call('mount', b'none', b'/tmp', b'tmpfs', 0, None))
def suid():
    open('/var/lib/orthrus/s', 'w').close()
    try: os.chmod('/var/lib/orthrus/s', 0o4755)
    finally: os.unlink('/var/lib/orthrus/s')
attempt('suid', suid)
attempt('root', lambda: os.setuid(0))
print(json.dumps(out), file=open('/var/lib/orthrus/probe.json', 'w'))
`

describe.skipIf(!canBoot)('the units, under systemd,', { timeout: 300_000 }, () => {
  it('start as their head says: systemd hears when the KDC serves', async () => {
    const said = await script(
      `set -e; cd ${EXAMPLES}\n${headOf('orthrus-kdc.service')}\n${SHOW} -p StatusText\n${LIST}`,
    )
    expect(said).toMatch(/ActiveState=active/)
    expect(said).toMatch(/StatusText=demo\.example on ws:\/\/127\.0\.0\.1:8750/)
    expect(said).toMatch(/admin@demo\.example/)
  })

  it('let the KDC write nowhere but in its folder, and do nothing but its work', async () => {
    writeFileSync(at('usr/lib/probe.py'), PROBE)
    const drop = '/etc/systemd/system/orthrus-kdc.service.d'
    const line = '[Service]\\nExecStartPre=/usr/bin/python3 /usr/lib/probe.py\\n'
    const said =
      await script(`mkdir -p ${drop}; printf '${line}' > ${drop}/probe.conf; systemctl daemon-reload
      systemctl restart orthrus-kdc; cat /var/lib/orthrus/probe.json; rm -r ${drop}; systemctl daemon-reload`)
    const found = JSON.parse(said) as Record<string, string>
    const { 'write data': data, 'read credential': credential, processes, ...others } = found
    expect({ data, credential, processes }).toEqual({ data: 'done', credential: 'True', processes: '1' })
    expect(Object.keys(others).length).toBeGreaterThan(15)
    for (const [act, outcome] of Object.entries(others))
      expect([act, outcome]).toEqual([act, expect.stringMatching(/^(?:EROFS|EACCES|EPERM|EAFNOSUPPORT)$/)])
  })

  it('go on at a reload, start again after a kill, and end in order', async () => {
    const pid = '$(systemctl show -p MainPID --value orthrus-kdc)'
    expect(await script(`systemctl reload orthrus-kdc && ${SHOW}`)).toMatch(/NRestarts=0/)
    await script(`kill -9 ${pid}`)
    await expect.poll(() => script(SHOW), { timeout: 60_000 }).toMatch(/NRestarts=1\s+ActiveState=active/)
    expect(await script(LIST)).toMatch(/admin@demo\.example/)
    const said = await script(
      'systemctl stop orthrus-kdc && systemctl show -p Result -p ExecMainStatus orthrus-kdc',
    )
    expect(said).toMatch(/Result=success\s+ExecMainStatus=0/)
    expect(await script('journalctl -u orthrus-kdc -o cat | tail -n 4')).toMatch(/KDC closed/)
  })

  it('make a backup that a check finds whole', async () => {
    const said = await script(`install -m 600 /root/admin.keytab /etc/orthrus/admin.keytab
      install -m 644 ${EXAMPLES}/orthrus-backup.* /etc/systemd/system/; systemctl daemon-reload
      systemctl start orthrus-kdc && systemctl start orthrus-backup && systemctl show -p Result orthrus-backup
      orthrus check /var/lib/orthrus-backups/*.backup --master-key-file /etc/orthrus/master.key`)
    expect(said).toMatch(/Result=success/)
    expect(said).toMatch(/no fault was found/)
  })

  it('keep the port while the KDC starts again', async () => {
    const said = await script(`systemctl stop orthrus-kdc
      sed -i 's/^listen = .*/listen = "systemd"/' /etc/orthrus/kdc.toml
      install -m 644 ${EXAMPLES}/orthrus-kdc.socket /etc/systemd/system/; systemctl daemon-reload
      systemctl start orthrus-kdc.socket orthrus-kdc.service
      systemctl restart orthrus-kdc & ${LIST}; wait`)
    expect(said).toMatch(/admin@demo\.example/)
  })
})
