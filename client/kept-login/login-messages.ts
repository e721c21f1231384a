import { isPrincipal, type Principal } from '../../shared/principal.js'

/**
 * What pages of one origin tell each other about logins, over a `BroadcastChannel` (docs/browsers.md). Whoever runs a script of
 * that origin hears all of it, and can write any of it. While a page is deployed anew, libraries of two versions talk to each other: one
 * that adds a kind of message keeps these, so that a logout is heard in all pages, and what is of no kind here is not heard.
 */
export type LoginMessage =
  /** A page asks which logins there are. @property ask tells its question from others */
  | { readonly ask: string }
  /** An answer: a login as `formatLogin` writes it. */
  | { readonly answers: string; readonly login: string }
  /** The person has logged out. */
  | { readonly ended: Principal }
  /** A login that was made just now. */
  | { readonly began: string }

const QUESTION = /^[0-9a-f]{32}$/
/** Characters. A login has at most 512 KiB of tickets. */
const LOGIN_MAX = 1024 * 1024

/** @returns undefined for anything else: it may be of another version, or from anybody of this origin */
export function asLoginMessage(data: unknown): LoginMessage | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { ask, answers, login, ended, began } = data as Record<string, unknown>
  if (typeof ask === 'string' && QUESTION.test(ask)) return { ask }
  if (typeof ended === 'string' && isPrincipal(ended)) return { ended }
  if (isLogin(began)) return { began }
  if (typeof answers !== 'string' || !QUESTION.test(answers)) return undefined
  return isLogin(login) ? { answers, login } : undefined
}

function isLogin(text: unknown): text is string {
  return typeof text === 'string' && text.length <= LOGIN_MAX
}
