import { type ConnectOptions, connect, silentLogger } from 'orthrus/client'
import { loadService } from 'orthrus/service'
import { HABITS, type Habit, keytabOf } from './console-realm.js'

/** The life of the realm while somebody looks at it: programs that come, ask for tickets and go, and a guesser. */

/** Services that follow what is revoked, as those that run do. */
const FOLLOWING = ['orders', 'billing', 'stock'] as const
/** Somebody guesses at a password, milliseconds. */
const GUESS_EVERY = 25_000

export interface Traffic {
  stop(): Promise<void>
}

/**
 * @param kdc its URL
 * @param folder with everybody's keytabs
 * @param guessed whose password somebody guesses at
 */
export async function startTraffic(kdc: string, folder: string, guessed: string): Promise<Traffic> {
  const timers: NodeJS.Timeout[] = []
  const services = await Promise.all(
    FOLLOWING.map(name => loadService({ keytab: keytabOf(folder, name), kdc, logger: silentLogger })),
  )
  const every = (milliseconds: number, run: () => Promise<void>, from = 0): void => {
    // What is refused is what the demonstration is about.
    const again = (): void => void run().catch(() => {})
    timers.push(
      setTimeout(() => {
        again()
        timers.push(setInterval(again, milliseconds))
      }, from),
    )
  }
  for (const [i, habit] of HABITS.entries())
    every(habit.every, askBy(habit, kdc, folder), habit.from ?? 150 * i)
  every(GUESS_EVERY, () => ask({ kdc, principal: guessed, password: 'letmein' }, ['orders']), GUESS_EVERY / 5)
  return {
    stop: async () => {
      for (const timer of timers) clearTimeout(timer)
      await Promise.all(services.map(service => service.close()))
    },
  }
}

/** Each time one of its services in turn, as a program of its own would. */
function askBy({ client, services }: Habit, kdc: string, folder: string): () => Promise<void> {
  let turn = 0
  return () => {
    const service = services[turn++ % services.length] ?? ''
    return ask({ kdc, keytab: keytabOf(folder, client) }, [service])
  }
}

async function ask(login: ConnectOptions, services: readonly string[]): Promise<void> {
  const realm = await connect({ ...login, logger: silentLogger })
  try {
    await Promise.all(services.map(service => realm.getServiceTicket(service)))
  } finally {
    realm.close()
  }
}
