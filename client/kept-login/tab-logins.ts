import { toHex } from '../../shared/bytes.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'
import { runAfter, systemTimers } from '../../shared/timers.js'
import { formatLogin, type KeptLogin, noLogin, parseLogin } from './kept-login.js'
import type { LoginFiles } from './kept-source.js'
import { asLoginMessage, type LoginMessage } from './login-messages.js'
import { pageHint } from './page-hint.js'

const CHANNEL = 'orthrus logins 1'

/** How long other pages have to answer, milliseconds: one that is alive does so in a few. */
const ANSWERS = 400

/** Where a login is from, in errors that nobody sees. */
const SOURCE = 'another page of this origin'

/**
 * The logins of the pages of this origin that are open, each in the memory of its own page. A page that has one gives it to
 * whichever page of the origin asks.
 */
export class TabLogins implements LoginFiles {
  readonly again = pageHint
  readonly #channel = new BroadcastChannel(CHANNEL)
  readonly #held = new Map<Principal, KeptLogin>()
  readonly #asked = new Map<string, (login: KeptLogin) => void>()
  readonly #ends = new Set<{ readonly client: Principal; readonly run: () => void }>()

  constructor() {
    this.#channel.onmessage = ({ data }) => this.#hear(asLoginMessage(data))
  }

  /** Whose logins there are. */
  async list(): Promise<Principal[]> {
    const others = await this.#ask(undefined)
    return [...new Set([...this.#held.keys(), ...others.map(({ client }) => client)])].sort()
  }

  /** The one that ends last of those that this page and others have. @throws OrthrusError `login_invalid` */
  async read(client: Principal): Promise<KeptLogin> {
    const own = this.#held.get(client)
    const all = [...(await this.#ask(client)), ...(own === undefined ? [] : [own])]
    const [latest] = all.sort((a, b) => b.tgt.endTime - a.tgt.endTime)
    if (latest === undefined) throw noLogin(client, 'is in no page that is open', undefined, pageHint())
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
  }

  async erase(client: Principal): Promise<void> {
    this.#say({ ended: client })
    this.#held.delete(client)
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
      if (![...this.#ends].some(each => each.client === client)) this.#held.delete(client)
    }
  }

  #hear(message: LoginMessage | undefined): void {
    if (message === undefined) return
    if ('ask' in message) {
      for (const login of this.#held.values()) this.#say({ answers: message.ask, login: formatLogin(login) })
    } else if ('ended' in message) this.#end(message.ended)
    else this.#take(message.answers, message.login)
  }

  #end(client: Principal): void {
    this.#held.delete(client)
    for (const end of [...this.#ends]) if (end.client === client) end.run()
  }

  #take(question: string, text: string): void {
    const take = this.#asked.get(question)
    if (take === undefined) return
    try {
      take(parseLogin(text, SOURCE))
    } catch {
      // Whatever is no login is no answer.
    }
  }

  /** @param client if only this one is wanted, so that the first answer is enough */
  #ask(client: Principal | undefined): Promise<KeptLogin[]> {
    const question = toHex(systemRandom(16))
    return new Promise(resolve => {
      const found: KeptLogin[] = []
      const end = (): void => {
        cancel()
        this.#asked.delete(question)
        resolve(found)
      }
      const cancel = runAfter(systemTimers, ANSWERS, end)
      this.#asked.set(question, login => {
        if (client !== undefined && login.client !== client) return
        found.push(login)
        if (client !== undefined) end()
      })
      this.#say({ ask: question })
    })
  }

  #say(message: LoginMessage): void {
    this.#channel.postMessage(message)
  }
}
