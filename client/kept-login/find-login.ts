import type { FoundLogin, NewLogin, WantedLogin } from './wanted-login.js'

export type { FoundLogin, NewLogin, WantedLogin }

/** For pages. `find-login.node.ts` has the same functions. What few pages need is loaded when one does. */

export const loadKeytabLogin = () => import('../login/keytab-login.js')

const loadPageLogins = () => import('./page-login.js')

/**
 * Finds a login that another page of this origin has, or that is in the browser's storage.
 * @throws OrthrusError `login_invalid` if there is none, or several and none is named
 */
export async function findLogin(wanted: WantedLogin): Promise<FoundLogin> {
  if (wanted.loginFolder !== undefined) throw new TypeError('there are no files here: leave out loginFolder')
  const { findPageLogin } = await loadPageLogins()
  return findPageLogin(wanted)
}

/** @throws OrthrusError `login_invalid`. @throws TypeError if no login can be kept here */
export async function requireKeeping(where: 'tabs' | 'storage'): Promise<void> {
  const pages = await loadPageLogins()
  await pages.requireKeeping(where)
}

/** Keeps a login that was made just now. */
export async function keepLogin(made: NewLogin, where: 'tabs' | 'storage'): Promise<FoundLogin> {
  const { keepPageLogin } = await loadPageLogins()
  return keepPageLogin(made, where)
}
