import { toHex } from '../../shared/bytes.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'
import { runAfter, systemTimers } from '../../shared/timers.js'
import { formatLogin, type KeptLogin, noLogin, parseLogin } from './kept-login.js'
import type { LoginFiles } from './kept-source.js'
import { asLoginMessage, type LoginMessage } from './login-messages.js'
import { pageHint } from './page-hint.js'
import { TabLocks } from './tab-locks.js'

const CHANNEL = 'orthrus logins 1'

/**
 * How long other pages have to answer, milliseconds: one that is alive does so in a few. Where it is known that there are some,
 * they may be busy.
 */
const ANSWERS = { UNKNOWN: 400, KNOWN: 2000 } as const

/** Where a login is from, in errors that nobody sees. */
const SOURCE = 'another page of this origin'

export interface TabLoginsOptions {
  /** Asked each time before another page is given a login. Never rejects. Default always. */
  readonly mayGive?: (client: Principal) => Promise<boolean>
  /** Called when another page says that somebody has logged in, with the login. */
  readonly began?: (login: KeptLogin) => void
  /** Called when another page says that somebody has logged out. */
  readonly ended?: (client: Principal) => void
}

interface Question {
  readonly take: (login: KeptLogin) => void
  /** One that was answered has ended since. */
  readonly drop: (client: Principal) => void
}

/**
 * The logins of the pages of this origin that are open, each in the memory of its own page. A page that has one gives it to
 * whichever page of the origin asks.
 */
export class TabLogins implements LoginFiles {
  readonly again = pageHint
  readonly #channel = new BroadcastChannel(CHANNEL)
  readonly #held = new Map<Principal, KeptLogin>()
  readonly #asked = new Map<string, Question>()
  readonly #ends = new Set<{ readonly client: Principal; readonly run: () => void }>()
  readonly #locks = new TabLocks()
  readonly #options: TabLoginsOptions

  constructor(options: TabLoginsOptions = {}) {
    this.#options = options
    this.#channel.onmessage = ({ data }) => this.#hear(asLoginMessage(data))
  }

  /** Whose logins there are. */
  async list(): Promise<Principal[]> {
    const others = await this.#ask(undefined)
    return [...new Set([...this.#held.keys(), ...others.map(({ client }) => client)])].sort()
  }

  /** The one that ends last of those that this page and others have. @throws OrthrusError `login_invalid` */
  async read(client: Principal): Promise<KeptLogin> {
    const others = await this.#ask(client)
    const own = this.#held.get(client)
    const all = own === undefined ? others : [...others, own]
    const [latest] = all.sort((a, b) => b.tgt.endTime - a.tgt.endTime)
    if (latest === undefined) throw noLogin(client, 'is in no page that is open', undefined, pageHint())
    if (own !== undefined) this.hold(latest)
    return latest
  }

  async amend(client: Principal, change: (login: KeptLogin) => KeptLogin | undefined): Promise<void> {
    const login = this.#held.get(client)
    const changed = login === undefined ? undefined : change(login)
    if (changed !== undefined) this.hold(changed)
  }

  /** From now on this page has the login. */
  hold(login: KeptLogin): void {
    this.#held.set(login.client, login)
    this.#locks.hold(login.client)
  }

  /** Tells the other pages of a login that was made just now. */
  tell(client: Principal): void {
    const login = this.#held.get(client)
    if (login !== undefined) this.#say({ began: formatLogin(login) })
  }

  async erase(client: Principal): Promise<void> {
    this.#say({ ended: client })
    this.#drop(client)
    // A channel tells its own page nothing, which may have further realms. Like the others they hear it by and by: whoever
    // logs out has closed its own until then.
    runAfter(systemTimers, 0, () => this.#end(client))
  }

  /** Calls the function when the person logs out in another page. @returns a function for when this page needs it no more */
  whenEnded(client: Principal, run: () => void): () => void {
    const end = { client, run }
    this.#ends.add(end)
    return () => {
      this.#ends.delete(end)
      if (![...this.#ends].some(each => each.client === client)) this.#drop(client)
    }
  }

  #drop(client: Principal): void {
    this.#held.delete(client)
    this.#locks.release(client)
  }

  #hear(message: LoginMessage | undefined): void {
    if (message === undefined) return
    if ('ask' in message) {
      for (const client of this.#held.keys()) void this.#give(client, message.ask)
    } else if ('ended' in message) {
      this.#end(message.ended)
      this.#options.ended?.(message.ended)
    } else if ('began' in message) {
      const login = loginIn(message.began)
      if (login !== undefined) this.#options.began?.(login)
    } else this.#take(message.answers, message.login)
  }

  async #give(client: Principal, question: string): Promise<void> {
    const { mayGive } = this.#options
    if (mayGive !== undefined && !(await mayGive(client))) return
    const login = this.#held.get(client)
    if (login !== undefined) this.#say({ answers: question, login: formatLogin(login) })
  }

  #end(client: Principal): void {
    this.#drop(client)
    for (const { drop } of this.#asked.values()) drop(client)
    for (const end of [...this.#ends]) if (end.client === client) end.run()
  }

  #take(question: string, text: string): void {
    const asked = this.#asked.get(question)
    const login = asked === undefined ? undefined : loginIn(text)
    if (login !== undefined) asked?.take(login)
  }

  /** Waits until all pages that have a login have answered. @param client if only those of this one are wanted */
  async #ask(client: Principal | undefined): Promise<KeptLogin[]> {
    const expected = await this.#locks.others()
    if (expected === 0) return []
    const question = toHex(systemRandom(16))
    return new Promise(resolve => {
      let found: KeptLogin[] = []
      let answers = 0
      const end = (): void => {
        cancel()
        this.#asked.delete(question)
        resolve(found)
      }
      const patience = Number.isFinite(expected) ? ANSWERS.KNOWN : ANSWERS.UNKNOWN
      const cancel = runAfter(systemTimers, patience, end)
      this.#asked.set(question, {
        take: login => {
          if (client === undefined || login.client === client) found.push(login)
          if (++answers === expected) end()
        },
        drop: ended => {
          found = found.filter(login => login.client !== ended)
        },
      })
      this.#say({ ask: question })
    })
  }

  #say(message: LoginMessage): void {
    this.#channel.postMessage(message)
  }
}

/** @returns undefined for whatever is no login */
function loginIn(text: string): KeptLogin | undefined {
  try {
    return parseLogin(text, SOURCE)
  } catch {
    return undefined
  }
}
