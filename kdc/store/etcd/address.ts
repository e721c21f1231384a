import { OrthrusError } from '../../../shared/errors.js'
import { shownUrl } from '../../../shared/shown-url.js'

/** Where a realm is on etcd: `etcds://one.example:2379,two.example:2379/orthrus/demo.example`. */
export interface EtcdAddress {
  /** `http://host:port` or `https://host:port` of each member. */
  readonly endpoints: readonly string[]
  /** Whether the connections are without TLS, to a host that is not this one. */
  readonly isExposed: boolean
  /** Of all keys of the realm, with a slash at its end; `undefined` if the URL does not name it. */
  readonly prefix: string | undefined
}

const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['etcd', 'http'],
  ['etcds', 'https'],
])

const PORT = '2379'
/** More than etcd should have. */
const MEMBERS_MAX = 16
const LENGTH_MAX = 2_000

/** Names, addresses, and IPv6 addresses in brackets. */
const MEMBER = /^([A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([1-9][0-9]{0,4}))?$/
const PLACE = /^(?:\/[A-Za-z0-9._-]{1,255}){1,8}\/?$/
const OWN = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/

export function isEtcdUrl(text: string): boolean {
  return /^etcds?:/.test(text)
}

/** @throws OrthrusError `malformed` */
export function parseEtcdUrl(text: string): EtcdAddress {
  const [, scheme = '', hosts = '', path = ''] =
    text.length > LENGTH_MAX ? [] : (/^([a-z]+):\/\/([^/]*)(\/.*)?$/.exec(text) ?? [])
  const to = SCHEMES.get(scheme)
  if (hosts.includes('@') || to === undefined) throw wrong(text)
  const members = hosts.split(',').map(host => MEMBER.exec(host))
  if (members.length > MEMBERS_MAX) throw wrong(text)
  const endpoints = members.map(member => {
    if (member === null || Number(member[2] ?? PORT) > 65_535) throw wrong(text)
    return `${to}://${member[1]}:${member[2] ?? PORT}`
  })
  const isOwn = members.every(member => OWN.test(member?.[1] ?? ''))
  if (path !== '' && path !== '/' && !PLACE.test(path)) throw wrong(text)
  const prefix = path === '' || path === '/' ? undefined : path.replace(/\/?$/, '/')
  return { endpoints, isExposed: to === 'http' && !isOwn, prefix }
}

function wrong(text: string): OrthrusError {
  return new OrthrusError('malformed', `${shownUrl(text.slice(0, 200))} is no address of etcd`, {
    final: true,
    hint: 'write etcds://HOST:PORT,HOST:PORT/orthrus/REALM; user and password are told apart: --etcd-user, ORTHRUS_ETCD_PASSWORD',
  })
}
