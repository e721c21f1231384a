import { Command } from 'commander'
import type { Realm } from '../client/connect.js'
import type { HeldKey, KeyOverview } from '../client/rotation/key-overview.js'
import { OrthrusError } from '../shared/errors.js'
import { shownUrl } from '../shared/shown-url.js'
import { formatDuration, formatTime, systemClock } from '../shared/time.js'
import { systemTimers } from '../shared/timers.js'
import { type ConnectionOptions, kdcOption, withRealm } from './connection.js'
import { answer, type Terminal, table, warn } from './terminal.js'

/** `orthrus keytab`: the keys in a keytab, as their owner sees them (docs/protocol.md section 12). */
export function keytabCommand(terminal: Terminal): Command {
  const keytab = new Command('keytab').description('look at the keys of a keytab, and change them in place')
  keytab.addCommand(showKeytabCommand(terminal))
  keytab.addCommand(refreshCommand(terminal))
  return keytab
}

type KeytabOptions = Pick<ConnectionOptions, 'kdc' | 'principal' | 'allowReadableKeytab' | 'json'>

function withKeytab(command: Command): Command {
  return command
    .argument('<file>', 'the keytab')
    .addOption(kdcOption())
    .option('--principal <name>', 'which principal of the keytab, where it has several')
    .option('--json', 'answer in JSON')
}

function showKeytabCommand(terminal: Terminal): Command {
  return withKeytab(new Command('show'))
    .description('say what each key of a keytab is good for, how old it is, and when it is due to change')
    .option('--allow-readable-keytab', 'accept a keytab that others can read, as containers mount secrets')
    .action((file: string, options: KeytabOptions) =>
      withRealm(terminal, { ...options, keytab: file }, async realm => {
        const { readKeytabFile } = await import('#keytab-file')
        const { keyOverview } = await import('../client/rotation/key-overview.js')
        const { allowReadableKeytab = false } = options
        const text = await readKeytabFile(file, { allowReadableKeytab })
        const overview = await keyOverview(realm, text)
        const kdc = await shownKdcs(text, file)
        answer(terminal, options, { principal: realm.client, kdc, ...overview }, told(realm, overview, kdc))
      }),
    )
}

/** The KDCs that a keytab names. A line that is wrong matters only to what has nothing else to go by. */
async function shownKdcs(text: string, file: string): Promise<readonly string[]> {
  const { kdcsNamed } = await import('../shared/keytab/kdc-line.js')
  try {
    return kdcsNamed(text, file).map(shownUrl)
  } catch (cause) {
    if (cause instanceof OrthrusError) return []
    throw cause
  }
}

function told({ client }: Realm, { keys, due, now }: KeyOverview, kdc: readonly string[]): string {
  const dueText = due === null ? 'never' : due <= now ? 'now: run orthrus keytab refresh' : formatTime(due)
  const rows = keys.map(key => [`kvno ${key.kvno}`, key.state, ...facts(key, now)])
  const named = kdc.length === 0 ? [] : [['kdc', kdc.join(', ')]]
  return table([['principal', client], ...named, ['due', dueText], ...rows])
}

function facts({ createdAt, endsAt, state }: HeldKey, now: number): string[] {
  const age = createdAt === null ? [] : [`${formatDuration(Math.max(0, now - createdAt))} old`]
  if (state === 'dead') return [...age, 'the KDC has another key']
  return endsAt === null ? age : [...age, `opens tickets until ${formatTime(endsAt)}`]
}

function refreshCommand(terminal: Terminal): Command {
  return withKeytab(new Command('refresh'))
    .description('change the key of a keytab in place, and take out of it what nobody needs any more')
    .option('--if-due', 'only if it is due')
    .action(async (file: string, options: KeytabOptions & { readonly ifDue?: boolean }) => {
      const { changingKeytab } = await import('#keytab-file')
      const { rotateKey } = await import('../client/rotation/rotate.js')
      const keytab = changingKeytab(file, { clock: systemClock, timers: systemTimers })
      await keytab.requireChangeable()
      await withRealm(terminal, { ...options, keytab: file }, async realm => {
        const { kvno, firstEnd } = await rotateKey(realm, { keytab, wanted: options.ifDue !== true })
        const { client: principal } = realm
        const said =
          kvno === undefined
            ? `the key of ${principal} is not due`
            : `changed the key of ${principal}: kvno ${kvno}`
        answer(terminal, options, { principal, changed: kvno !== undefined, kvno: kvno ?? null }, said)
        if (kvno !== undefined && Number.isFinite(firstEnd))
          warn(
            terminal,
            options,
            `other copies of this keytab are of no use any more; the old key stays in it until ${formatTime(firstEnd)}, for tickets that are in use`,
          )
      })
    })
}
