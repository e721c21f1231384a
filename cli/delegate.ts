import { Command } from 'commander'
import type { Realm } from '../client/connect.js'
import type { Attenuation } from '../client/ticket/attenuation.js'
import type { Ticket } from '../client/ticket/ticket.js'
import { OrthrusError } from '../shared/errors.js'
import { localPart, principalIn, requireSameRealm } from '../shared/principal.js'
import { formatDuration } from '../shared/time.js'
import { parseDuration, parseList, parseMethods, parsePaths } from './arguments.js'
import { type ConnectionOptions, withLogin, withRealm } from './connection.js'
import { answer, note, type Terminal, warn } from './terminal.js'

interface DelegateOptions extends ConnectionOptions {
  readonly to?: string
  readonly anyone?: boolean
  readonly tgt?: boolean
  readonly expires?: number
  readonly methods?: string[]
  readonly paths?: string[]
  readonly claims?: string[]
  readonly closed?: boolean
}

/** `orthrus delegate`: standard output has the credential, which is a secret, and nothing else. */
export function delegateCommand(terminal: Terminal): Command {
  return withLogin(new Command('delegate'))
    .description('make a credential to hand on: a ticket cut down, for a delegate by name')
    .argument('<service...>', 'the service; several with --tgt')
    .option('--to <name>', 'the delegate, which presents it beside a ticket of its own')
    .option('--anyone', 'in place of --to: good for anyone who has it')
    .option('--tgt', 'from the TGT: it gets tickets for these services (only with --anyone)')
    .option('--expires <time>', 'how long it is good for, as 5m', parseDuration)
    .option('--methods <list>', 'HTTP methods, as GET,HEAD', parseMethods)
    .option('--paths <list>', 'path prefixes, as /a,/b', parsePaths)
    .option('--claims <list>', 'the claims that the service still sees', parseList)
    .option('--closed', 'it cannot be cut down further')
    .action((services: string[], options: DelegateOptions) => delegate(terminal, services, options))
}

async function delegate(terminal: Terminal, services: string[], options: DelegateOptions): Promise<void> {
  requireHolder(services, options)
  const use = async (realm: Realm): Promise<void> => {
    const [whole, doubt] = await Promise.all([
      ticketFor(realm, services, options),
      doubtAbout(realm, options.to),
    ])
    const ticket = whole.attenuate(attenuationOf(services, options))
    const credential = ticket.credential({ closed: options.closed === true })
    const { client, service, endTime, caveats } = ticket
    answer(terminal, options, { credential, client, service, endTime, caveats }, credential)
    doubt?.tell(terminal, options, doubt.text)
    const { expires } = options
    if (expires !== undefined && whole.endTime < Date.now() + expires)
      warn(terminal, options, `it ends with its ticket, in ${formatDuration(endTime - Date.now())}`)
  }
  await withRealm(terminal, options, use, { services })
}

function requireHolder(services: readonly string[], { to, anyone, tgt }: DelegateOptions): void {
  if ((to === undefined) === (anyone !== true)) {
    const both = to === undefined ? '' : ', not both'
    throw new TypeError(`say who may use it: --to NAME, or --anyone for anyone who has it${both}`)
  }
  if (tgt === true && anyone !== true)
    throw new TypeError('--tgt goes with --anyone: a TGT names no delegate')
  if (tgt !== true && services.length !== 1) throw new TypeError('name one service, or several with --tgt')
}

/** What is known about the delegate's name, and whether it warns of a mistake or only notes what was not checked. */
interface Doubt {
  readonly tell: typeof warn
  readonly text: string
}

/** The KDC tells of a principal only to clients that may have tickets for it. To others it does not say. */
async function doubtAbout(realm: Realm, to: string | undefined): Promise<Doubt | undefined> {
  if (to === undefined) return undefined
  const delegate = principalIn(realm.realm, to)
  requireSameRealm(realm.realm, delegate)
  try {
    await realm.getServiceTicket(delegate)
    return undefined
  } catch (cause) {
    const code = cause instanceof OrthrusError ? cause.code : undefined
    if (code === 'unknown_service') {
      return {
        tell: warn,
        text: `there is no principal ${delegate}, and nobody else can use this: orthrus admin add ${localPart(delegate)}`,
      }
    }
    if (code !== 'policy_denied') return undefined
    return {
      tell: note,
      text: `not checked whether there is a principal ${delegate}: the KDC tells ${realm.client} only of those that it may have tickets for`,
    }
  }
}

function ticketFor(realm: Realm, services: readonly string[], { tgt }: DelegateOptions): Promise<Ticket> {
  return tgt === true ? realm.getTgt() : realm.getServiceTicket(services[0] as string)
}

function attenuationOf(services: readonly string[], options: DelegateOptions): Attenuation {
  const { to, tgt, expires, methods, paths, claims } = options
  return {
    ...(tgt === true ? { services } : {}),
    ...(expires === undefined ? {} : { expires: `${expires / 1000}s` as const }),
    ...(methods === undefined ? {} : { methods }),
    ...(paths === undefined ? {} : { paths }),
    ...(claims === undefined ? {} : { claims }),
    ...(to === undefined ? {} : { to }),
    // A credential that anyone can use must at least end soon.
    ...(to === undefined && expires === undefined ? { expires: '5m' as const } : {}),
  }
}
