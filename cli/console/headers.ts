import type { ServedFile } from './files.js'

/**
 * What a browser is told with every answer. The page gets its scripts and styles from here and talks to the KDC behind it,
 * and to nobody else; nothing in it becomes markup or script, and no other page frames it or has a hold of it.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
}

/**
 * For a name that is the console's: nobody can answer in clear in its place, or have a person pass over a certificate that is wrong.
 * 30 days, begun again with each visit; without `includeSubDomains`, as names below it may be anybody's.
 */
export const TLS_ALONE = `max-age=${30 * 24 * 60 * 60}`

/** A year, seconds. */
const LASTING = 365 * 24 * 60 * 60

export function cachingOf({ isLasting }: ServedFile): string {
  return isLasting ? `public, max-age=${LASTING}, immutable` : 'no-store'
}
